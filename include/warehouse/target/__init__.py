"""
The warehouse behind one port: `port.WarehouseTarget`.

    port            what a target does, and the values that go in and out
    duckdb_target   Parquet files and a catalog that readers open, replaced by one rename

tests/contract/test_warehouse_target.py holds what every target must do.
"""
