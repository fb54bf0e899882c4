"""
The third part of the demo: participants of three installations, one of them broken on purpose, in one warehouse.

    1. databases `panel_berlin`, `panel_lisbon`, `panel_madrid` on the stack's MariaDB; an account that may only read
    2. Lisbon's table gets an engine without transactions, of which no snapshot can be taken
    3. `python -m include.warehouse sync`: Berlin and Madrid are copied, Lisbon is named
    4. what a dashboard reads: `snapshot_current.participants`, by installation

The installations of the demo are not those of config/warehouse.yml: it writes a settings file of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stack.credentials import credentials
from stack.place import HOST, REPOSITORY, Place, StackProblem

INSTALLATIONS = ("berlin", "lisbon", "madrid")
BROKEN = "lisbon"
ROWS = 20_000
READER = "warehouse_reader"

# Values that often arrive as something else: zero dates, quotes, emoji, an empty text, the largest unsigned number.
_TABLE = """CREATE TABLE participants (
  id BIGINT UNSIGNED PRIMARY KEY, email VARCHAR(120) NOT NULL, born DATE, status TINYINT UNSIGNED NOT NULL,
  points DECIMAL(12,2), note TEXT, changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))"""
_ROWS = f"""INSERT INTO participants (id, email, born, status, points, note)
  SELECT IF(seq = 1, 18446744073709551615, seq), CONCAT('participant', seq, '@panel.example'),
  IF(seq % 1000, DATE '1950-01-01' + INTERVAL (seq % 20000) DAY, '0000-00-00'), 10 + seq % 5, seq / 7,
  ELT(1 + seq % 4, '', NULL, 'says "yes", \\n then 😀', 'plain') FROM seq_1_to_{ROWS}"""


def run(place: Place, say: Callable[[str], None], note: Callable[[str], None]) -> bool:
    """Whether two installations are whole in the warehouse and the third is named; prints what readers see."""
    password = credentials(place)["mariadb"]
    say(f"participants of {', '.join(INSTALLATIONS)} into the warehouse; {BROKEN} is broken on purpose")
    make_databases(lambda: _as_root(place, password), password)
    uris = {name: f"mysql://{READER}:{password}@{HOST}:{place.port('mariadb')}/panel_{name}" for name in INSTALLATIONS}
    return copied_and_named(place.make("demo_warehouse"), uris, note)


def make_databases(connect: Callable[[], Any], password: str) -> None:
    """`connect` opens a connection that may do everything. The tables are made again at every run."""
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SET sql_mode = ''")
    cursor.execute(f"CREATE OR REPLACE USER {READER}@'%%' IDENTIFIED BY %s", (password,))
    cursor.execute(f"GRANT BINLOG MONITOR, REPLICATION SLAVE ON *.* TO {READER}@'%'")
    for name in INSTALLATIONS:
        cursor.execute(f"CREATE OR REPLACE DATABASE panel_{name} CHARACTER SET utf8mb4")
        cursor.execute(f"GRANT SELECT ON panel_{name}.* TO {READER}@'%'")
        cursor.execute(f"USE panel_{name}")
        cursor.execute(_TABLE)
        cursor.execute(_ROWS)
    cursor.execute(f"ALTER TABLE panel_{BROKEN}.participants ENGINE = MyISAM")
    connection.commit()
    connection.close()


def copied_and_named(folder: Path, uris: Mapping[str, str], note: Callable[[str], None]) -> bool:
    """Sync all installations into a warehouse in `folder`, and read it as a dashboard does."""
    settings = folder / "warehouse.yml"
    settings.write_text(settings_text(folder), encoding="utf-8")
    rows = _sync(settings, {f"SPILLWAY_PANEL_{name.upper()}_URI": uri for name, uri in uris.items()})
    for row in rows:
        if "error" in row:
            note(f"{row['installation']:<8} {row['error']}: {row['message']}")
        else:
            note(
                f"{row['installation']:<8} {row['rows']:,} rows in {row['seconds']:.1f} s, compared by every column, "
                f"GTID {row['gtid'] or 'none'}, zero dates now NULL: {row['replaced_by'].get('born', 0)}"
            )
    seen = _seen(folder / "warehouse")
    note(f"snapshot_current.participants: {', '.join(f'{name} {count:,}' for name, count in seen.items())}")
    failed = {row["installation"] for row in rows if "error" in row}
    return failed == {BROKEN} and seen == {name: ROWS for name in INSTALLATIONS if name != BROKEN}


def settings_text(folder: Path) -> str:
    """The demo's own `warehouse.yml`."""
    installations = "".join(f"  {name}: {{connection: panel_{name}}}\n" for name in INSTALLATIONS)
    return (
        f"version: 1\ntarget: {{kind: duckdb, folder: {folder / 'warehouse'}}}\n"
        f"installations:\n{installations}tables:\n  participants: {{snapshots: 3}}\n"
    )


def _sync(settings: Path, variables: Mapping[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "include.warehouse", "sync", "--config", str(settings), "--json"],
        env={**os.environ, **variables, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    if not done.stdout:
        raise StackProblem(f"the sync of the warehouse failed: {done.stderr[-1000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _seen(warehouse: Path) -> dict[str, int]:
    import duckdb

    query = "SELECT installation, count(*) FROM snapshot_current.participants GROUP BY ALL ORDER BY ALL"
    with duckdb.connect(str(warehouse / "warehouse.duckdb"), read_only=True) as reader:
        return dict(reader.execute(query).fetchall())


def _as_root(place: Place, password: str) -> Any:
    import MySQLdb

    return MySQLdb.connect(
        unix_socket=str(place.path("run", "mariadb") / "s.sock"), user="root", password=password, charset="utf8mb4"
    )
