"""
Snapshots of tables of an operational MariaDB in a warehouse: DuckDB by default, Exasol where one is configured.

    config         config/warehouse.yml: installations, tables, the target, policies for values that do not fit
    source         MariaDB: one snapshot transaction, lines of CSV made by the server, what the snapshot adds up to
    column_types   every type of MariaDB and what becomes of it: how it is selected, stored and compared
    target         the port `WarehouseTarget` and its implementations
    snapshot       load, verify, publish in one transaction; history and retention
    changes        the current snapshot brought up to date by the binary log, a watermark or a comparison of keys
    sync           a unit by the mode of its tables, and the events about it
    events         what is emitted
    errors         leaves of the engine's tree

Every function that reads or writes rows takes the installation; there is no way to ask without one.
"""
