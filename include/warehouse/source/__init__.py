"""
The source: a MariaDB, read from one snapshot.

    snapshot_transaction   one consistent view of all tables, and the GTID position that it agrees with
    snapshot_pair          two connections in the same state
    table_shape            a table's columns and primary key
    csv_rows               rows as CSV: lines that the server formats, or values that are put together here
    survey                 how many rows there are, which of them the policies reject, how long a line may be
    source_digest          what the snapshot adds up to
    connection             connections by a URL, and what the server's errors mean
"""
