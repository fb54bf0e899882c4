"""
The warehouse behind one port: `port.WarehouseTarget`.

    port            what a target does, and the values that go in and out
    duckdb_target   Parquet files and a catalog that readers open, replaced by one rename; with it duckdb_catalog
                    (records and views), duckdb_files (from CSV to Parquet) and duckdb_merge (changes)
    exasol_target   tables and views of an Exasol; with it exasol_session (statements, transactions, loads),
                    exasol_catalog (records and views), exasol_digest, exasol_sql (names, types, values) and
                    exasol_options (of connections)
    pulled          what a producer writes, to be read instead

tests/contract/test_warehouse_target.py holds what every target must do.
"""
