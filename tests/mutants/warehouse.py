"""The warehouse: what is published, when, and what is compared before."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_SNAPSHOT = ("tests/stack/test_warehouse_snapshot.py",)
_TYPES = ("tests/stack/test_warehouse_types.py",)
_KILLS = ("tests/crash/test_warehouse_kills.py",)
_TARGET = ("tests/contract/test_warehouse_target.py",)
_PIPE = ("tests/unit/warehouse/test_pipe.py",)

MUTANTS = [
    Mutant(
        "the comparison of the sums",
        "include/warehouse/snapshot/pipeline.py",
        "    verify(staged, sums, target)\n",
        "",
        _SNAPSHOT,
    ),
    Mutant(
        "the snapshot",
        "include/warehouse/source/snapshot_transaction.py",
        '"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"',
        '"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION READ ONLY"',
        _SNAPSHOT,
    ),
    Mutant(
        "the settings of the session",
        "include/warehouse/source/snapshot_transaction.py",
        "sql_mode = '', time_zone = '+00:00', ",
        "",
        _SNAPSHOT,
    ),
    Mutant(
        "NULL of a column is asked for by itself",
        "include/warehouse/column_types/csv_value.py",
        '    if column.kind == "text":\n        return f"""IF({value} IS NULL, \'\', CONCAT(',
        '    if column.kind == "text":\n        return f"""IF({value} = \'\', \'\', CONCAT(',
        _TYPES,
    ),
    Mutant(
        "values by themselves where a line could exceed max_allowed_packet",
        "include/warehouse/source/csv_rows.py",
        "        if longest_line < int(packet or 0):\n",
        "        if packet:\n",
        _SNAPSHOT,
    ),
    Mutant(
        "a FLOAT is selected as a DOUBLE",
        "include/warehouse/column_types/type_map.py",
        '"approximate", f"CAST({context.column.quoted} AS DOUBLE)"',
        '"approximate", f"{context.column.quoted}"',
        _TYPES,
    ),
    Mutant(
        "tables without transactions are refused",
        "include/warehouse/source/table_shape.py",
        '    if engine is not None and (transactions != b"YES" or kind == b"SEQUENCE"):\n',
        "    if False:\n",
        _SNAPSHOT,
    ),
    Mutant(
        "an error of the producer voids the load",
        "include/warehouse/target/duckdb_files.py",
        "            raise ProducerFailed(errors[0])\n",
        "            pass\n",
        _PIPE,
    ),
    Mutant(
        "a file whose load failed is removed",
        "include/warehouse/target/duckdb_target.py",
        "        except BaseException:\n            file.unlink(missing_ok=True)\n            raise\n",
        "        except BaseException:\n            raise\n",
        _TARGET,
    ),
    Mutant(
        "what killed loads left is removed",
        "include/warehouse/target/duckdb_target.py",
        "            removed = sorted(present - named)\n",
        "            removed: list[str] = []\n",
        _KILLS,
    ),
    Mutant(
        "the current snapshot is the latest",
        "include/warehouse/target/duckdb_catalog.py",
        "    for row in sorted(rows, key=lambda row: row.record.snapshot):\n",
        "    for row in sorted(rows, key=lambda row: row.record.snapshot, reverse=True):\n",
        _TARGET,
    ),
    Mutant(
        "the catalog is changed in a copy",
        "include/warehouse/target/duckdb_catalog.py",
        "            if self.path.exists():\n                shutil.copyfile(self.path, copy)\n",
        "            pass\n",
        _TARGET,
    ),
]
