"""
Changes of the source brought into the current snapshot, without copying the table again.

    log_changes        mode `log`: keys from the binary log, rows by primary key, one merge
    watermark          mode `watermark`: rows by a column that grows
    reconcile          keys of both sides compared: deletes and cascades that neither mode sees
    reselect           rows of some keys, as they are in one snapshot of the source
    binlog_keys        primary keys of the rows that changed between two GTID positions
    statements         what a statement in the binary log means to a table
    key_values         the binary log's values of a key, as CSV and as literals
    gtid               GTID positions
    server             where the binary log is read, and what the server must be set to
    whole_copy         why a whole copy is made instead
"""
