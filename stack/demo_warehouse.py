"""
The third part of the demo: participants of three installations, one of them broken on purpose, in one warehouse.

    1. databases `panel_berlin`, `panel_lisbon`, `panel_madrid` on the stack's MariaDB; an account that may only read
    2. Lisbon's table gets an engine without transactions, of which no snapshot can be taken
    3. `python -m include.warehouse sync`: Berlin and Madrid are copied, Lisbon is named
    4. what a dashboard reads: `snapshot_current.participants`, by installation
    5. one participant changes in Berlin; `cdc status` says how far behind the warehouse is; `sync` merges the change
    6. the same change as an event of the stream `datasync`, read from Kafka

The installations of the demo are not those of config/warehouse.yml: it writes a settings file of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stack.credentials import credentials
from stack.demo_count import read_committed
from stack.place import HOST, REPOSITORY, Place, StackProblem

INSTALLATIONS = ("berlin", "lisbon", "madrid")
BROKEN = "lisbon"
ROWS = 20_000
READER = "warehouse_reader"
# Until a change is in Kafka, on a machine that is busy with the rest of the demo.
DELIVERED_S = 600.0

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
    warehouse = DemoWarehouse(place.make("demo_warehouse"), uris, place.path("spool"), note)
    if not warehouse.is_copied_and_named():
        return False
    say("one participant of Berlin changes; the change is followed into the warehouse and into Kafka")
    bootstrap = f"{HOST}:{place.port('kafka')}"
    return warehouse.follows_a_change(lambda: _as_root(place, password), lambda gtid: _from_kafka(bootstrap, gtid))


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


class DemoWarehouse:
    """A warehouse in `folder`, of the sources `uris`; its published changes go to the spool folder `spool`."""

    def __init__(self, folder: Path, uris: Mapping[str, str], spool: Path, note: Callable[[str], None]) -> None:
        self._folder, self._note = folder, note
        self._settings = folder / "warehouse.yml"
        self._settings.write_text(settings_text(folder), encoding="utf-8")
        variables = {f"SPILLWAY_PANEL_{name.upper()}_URI": uri for name, uri in uris.items()}
        self._variables = {**variables, "SPOOL_FOLDER": str(spool)}

    def is_copied_and_named(self) -> bool:
        """Sync all installations, and read the warehouse as a dashboard does."""
        rows = self._command("sync")
        for row in rows:
            if "error" in row:
                self._note(f"{row['installation']:<8} {row['error']}: {row['message']}")
            else:
                self._note(
                    f"{row['installation']:<8} {row['rows']:,} rows in {row['seconds']:.1f} s, compared by every "
                    f"column, GTID {row['gtid'] or 'none'}, zero dates now NULL: {row['replaced_by'].get('born', 0)}"
                )
        seen = _seen(self._folder / "warehouse")
        self._note(f"snapshot_current.participants: {', '.join(f'{name} {count:,}' for name, count in seen.items())}")
        failed = {row["installation"] for row in rows if "error" in row}
        return failed == {BROKEN} and seen == {name: ROWS for name in INSTALLATIONS if name != BROKEN}

    def follows_a_change(self, connect: Callable[[], Any], in_stream: Callable[[str], dict[str, Any] | None]) -> bool:
        """`in_stream` gives the event of Berlin's change at a GTID position, and None where it does not come."""
        connection = connect()
        connection.cursor().execute("UPDATE panel_berlin.participants SET status = 99 WHERE id = 7")
        connection.commit()
        connection.close()
        self._note_position()
        (merged,) = self._command("sync", "--installation", "berlin")
        self._note_position()
        status = _status(self._folder / "warehouse")
        event = in_stream(str(merged["gtid"]))
        if event is None:
            self._note("the change is not in the stream datasync")
            return False
        before, after = event["before"]["status"], event["after"]["status"]
        self._note(f"datasync: {event['operation']} of {event['primary_key'][0]}, status {before} to {after}")
        return (status, after) == (99, "99") and before != after

    def _note_position(self) -> None:
        (position,) = self._command("cdc", "status", "--installation", "berlin")
        self._note(
            f"berlin   GTID {position['gtid']} of {position['source_gtid']}: {position['transactions']} transactions "
            f"behind, lag {position['lag_s']} s; {position['waiting']} rows wait for the stream"
        )

    def _command(self, *arguments: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "include.warehouse", *arguments, "--config", str(self._settings), "--json"],
            env={**os.environ, **self._variables, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True, text=True, check=False, cwd=REPOSITORY,
        )  # fmt: skip
        if not done.stdout:
            raise StackProblem(f"{arguments[0]} of the warehouse failed: {done.stderr[-1000:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def settings_text(folder: Path) -> str:
    """The demo's own `warehouse.yml`."""
    installations = "".join(f"  {name}: {{connection: panel_{name}}}\n" for name in INSTALLATIONS)
    return (
        f"version: 1\ntarget: {{kind: duckdb, folder: {folder / 'warehouse'}}}\njournal: {folder / 'journal'}\n"
        f"installations:\n{installations}tables:\n  participants: {{mode: log, publish: true, snapshots: 3}}\n"
    )


def _status(warehouse: Path) -> int:
    query = "SELECT status FROM snapshot_current.participants WHERE installation = 'berlin' AND id = 7"
    return int(_read(warehouse, query)[0][0])


def _seen(warehouse: Path) -> dict[str, int]:
    query = "SELECT installation, count(*) FROM snapshot_current.participants GROUP BY ALL ORDER BY ALL"
    return dict(_read(warehouse, query))


def _read(warehouse: Path, query: str) -> list[Any]:
    import duckdb

    with duckdb.connect(str(warehouse / "warehouse.duckdb"), read_only=True) as reader:
        return reader.execute(query).fetchall()


def _from_kafka(bootstrap: str, gtid: str) -> dict[str, Any] | None:
    """Waits until replay has delivered it."""
    deadline = time.monotonic() + DELIVERED_S
    while time.monotonic() < deadline:
        for message in read_committed(bootstrap, "datasync"):
            payload: dict[str, Any] = json.loads(message.value() or b"{}")
            if payload["gtid"] == gtid and payload.get("operation") == "update":
                return payload
        time.sleep(2)
    return None


def _as_root(place: Place, password: str) -> Any:
    import MySQLdb

    return MySQLdb.connect(
        unix_socket=str(place.path("run", "mariadb") / "s.sock"), user="root", password=password, charset="utf8mb4"
    )
