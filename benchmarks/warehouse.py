"""
How fast a table of MariaDB gets into DuckDB, whole and compared, against what others would use.

    copy       include/warehouse as `sync` runs it: sums of the source, load, comparison, publication
    load       its load alone, without sums and comparison: what the other programs do
    client     its load into a target that drops the bytes: its own memory and time, without DuckDB
    naive      the driver's cursor, csv.writer, DuckDB's COPY: what most scripts do
    dlt_*      dlt with its backends pyarrow and connectorx, in an environment of their own (--peers)

Every run is a process of its own: wall time, CPU seconds of the client, peak resident memory. The runs alternate. The
types that each made of the columns are part of the result. Rows have 12 mixed columns, about 160 bytes as CSV. Unsigned
values stay within the signed range: beyond it both backends of dlt end with an error (OverflowError, ConversionError).

    python -m benchmarks.warehouse [--rows N] [--repeats N]
    python -m benchmarks.warehouse --peers FOLDER      installs dlt there with uv where it is missing
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import publish, summary
from tests.support import mariadb
from tests.support.ports import OTHERS, reserve

TARGET_ROWS_PER_S = 250_000
TARGET_CLIENT_MB = 100
SNAPSHOT = "20261125T000000Z"
PEER_PACKAGES = ("dlt[duckdb]", "connectorx", "pymysql", "sqlalchemy<2.1", "pandas", "pyarrow")
HERE = Path(__file__).parent

TABLE = """CREATE TABLE participants (
  id BIGINT UNSIGNED PRIMARY KEY, email VARCHAR(120) NOT NULL, first_name VARCHAR(60), last_name VARCHAR(60),
  born DATE, created_at DATETIME(6) NOT NULL, updated_at TIMESTAMP(3) NOT NULL, status TINYINT UNSIGNED NOT NULL,
  balance DECIMAL(12,2), score DOUBLE, token BIGINT UNSIGNED NOT NULL, note VARCHAR(200))"""
ROWS = """INSERT INTO participants SELECT seq, CONCAT('participant', seq, '@panel.example'),
  CONCAT('First', seq % 5000), CONCAT('Läst "', seq % 9000, '"'), DATE '1940-01-01' + INTERVAL (seq % 25000) DAY,
  TIMESTAMP '2020-01-01 00:00:00.000001' + INTERVAL seq SECOND,
  TIMESTAMP '2026-01-01 00:00:00.001' + INTERVAL seq SECOND,
  seq % 125, IF(seq % 7, seq / 100, NULL), seq / 3, 9223372036854775807 - seq,
  CASE seq % 10 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE REPEAT('abc ', seq % 12) END FROM seq_1_to_{rows}"""


def ours(socket: str, folder: Path, part: str) -> dict[str, Any]:
    """One run in this process; answers what it made of the types."""
    from include.warehouse.column_types.mapped_column import DUCKDB_LIMITS
    from include.warehouse.config import Table, Unit
    from include.warehouse.snapshot.pipeline import copy_unit
    from include.warehouse.snapshot.table_plan import plan_table
    from include.warehouse.source.csv_rows import csv_rows
    from include.warehouse.source.snapshot_transaction import SnapshotTransaction
    from tests.support.warehouse import config_of

    server = mariadb.Server(socket)
    config = config_of(["benchmark"], {"participants": Table()}, folder)
    if part == "copy":
        from include.warehouse.target.duckdb_target import DuckdbTarget

        target = DuckdbTarget(folder)
        (copied,) = copy_unit(config, Unit("benchmark", ("participants",)), server.connect, target, SNAPSHOT)
        target.close()
        return {"rows": copied.rows}
    with SnapshotTransaction(server.connect) as source:
        plan = plan_table(config, "benchmark", "participants", source, DUCKDB_LIMITS)
        counted: list[int] = []
        produce = csv_rows(source, "participants", plan.target.columns, longest_line=0, count=counted.append)
        if part == "client":
            with Path(os.devnull).open("wb", buffering=256 * 1024) as sink:
                produce(sink.write)
        else:
            from include.warehouse.target.duckdb_target import DuckdbTarget

            target = DuckdbTarget(folder)
            target.load(plan.target, SNAPSHOT, produce)
            target.close()
    return {"rows": sum(counted), "types": {c.name: (c.source_type, c.duckdb) for c in plan.target.columns}}


def naive(socket: str, folder: Path) -> dict[str, Any]:
    """Values of Python, written by csv.writer, copied into a table."""
    import csv

    import duckdb
    import MySQLdb.cursors

    connection = mariadb.Server(socket).connect()
    cursor = connection.cursor(MySQLdb.cursors.SSCursor)
    cursor.execute("SELECT * FROM participants")
    names = [column[0] for column in cursor.description]
    rows = 0
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        while fetched := cursor.fetchmany(10_000):
            writer.writerows(fetched)
            rows += len(fetched)
    with duckdb.connect(str(folder / "naive.duckdb")) as database:
        database.execute(f"CREATE TABLE t AS FROM read_csv('{folder}/rows.csv', header = false, names = {names})")
        types = {name: kind for name, kind, *_ in database.execute("DESCRIBE t").fetchall()}
    return {"rows": rows, "types": types}


DLT = """
import json, sys
import dlt
from dlt.sources.sql_database import sql_table

backend, port, folder = sys.argv[1:]
pipeline = dlt.pipeline("peer", destination=dlt.destinations.duckdb(f"{folder}/peer.duckdb"), dataset_name="copied",
                        pipelines_dir=folder + "/pipelines")
kwargs = {"backend_kwargs": {"conn": f"mysql://peer:peer@127.0.0.1:{port}/app", "return_type": "arrow"}}
table = sql_table(credentials=f"mysql+pymysql://peer:peer@127.0.0.1:{port}/app", table="participants", backend=backend,
                  chunk_size=100_000, reflection_level="full",
                  **(kwargs if backend == "connectorx" else {}))
pipeline.run(table, write_disposition="replace")
with pipeline.sql_client() as client:
    (rows,) = client.execute_sql("SELECT count(*) FROM participants")[0]
    types = dict(row[:2] for row in client.execute_sql("DESCRIBE participants"))
print(json.dumps({"rows": rows, "types": types}))
"""


def one_run(command: list[str], folder: Path) -> dict[str, Any]:
    """A process of its own: what it printed last, seconds by the wall, CPU seconds, peak memory."""
    (folder / "run").mkdir(exist_ok=True)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed: {process.returncode}")
    subprocess.run(["rm", "-rf", str(folder / "run")], check=True)
    return {
        **json.loads(output.splitlines()[-1]), "seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime,
        "memory_mb": usage.ru_maxrss / 1024,
    }  # fmt: skip


def programs(socket: str, port: int, folder: Path, peers: Path | None) -> dict[str, list[str]]:
    """The command of each."""
    run = str(folder / "run")
    own = [sys.executable, "-m", "benchmarks.warehouse", "--socket", socket, "--folder", run, "--part"]
    commands = {part: [*own, part] for part in ("copy", "load", "client", "naive")}
    if peers is not None:
        for backend in ("pyarrow", "connectorx"):
            commands[f"dlt_{backend}"] = [str(install(peers)), "-c", DLT, backend, str(port), run]
    return commands


def install(folder: Path) -> Path:
    """The interpreter of an environment with dlt, which is made where it is missing."""
    python = folder / "bin" / "python"
    uv = HERE.parent / ".venv-uv" / "bin" / "uv"
    if not python.exists():
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *PEER_PACKAGES], check=True)
    return python


def figures(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "rows_per_s": summary([run["rows"] / run["seconds"] for run in runs]),
        "cpu_s": summary([run["cpu_s"] for run in runs]),
        "peak_memory_mb": summary([run["memory_mb"] for run in runs]),
    }


def damage(ours_: dict[str, tuple[str, str]], theirs: dict[str, str]) -> dict[str, str]:
    """Columns that another program made another type of: source, ours and theirs."""
    return {
        name: f"{source}: ours {kind}, theirs {theirs.get(name, 'missing')}"
        for name, (source, kind) in ours_.items()
        if theirs.get(name, "").replace(" WITH TIME ZONE", "TZ") != kind
    }


def benchmark(options: argparse.Namespace) -> None:
    port = reserve(OTHERS)
    network = ("--skip-networking=0", "--bind-address=127.0.0.1", f"--port={port}", "--innodb-buffer-pool-size=512M")
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name,
        mariadb.mariadb_server(*mariadb.ROW_BINLOG, *network, "--innodb-flush-log-at-trx-commit=2") as server,
    ):
        _fill(server, options.rows)
        commands = programs(server.socket, port, Path(name), options.peers)
        runs: dict[str, list[dict[str, Any]]] = {part: [] for part in commands}
        for _ in range(options.repeats):
            for part, command in commands.items():
                runs[part].append(one_run(command, Path(name)))
                sys.stderr.write(f"{part}: {runs[part][-1]['seconds']:.1f} s\n")
    results: dict[str, Any] = {"rows": options.rows, **{part: figures(values) for part, values in runs.items()}}
    results["copy"]["rows_per_s"]["target"] = TARGET_ROWS_PER_S
    results["client"]["peak_memory_mb"]["target"] = TARGET_CLIENT_MB
    for part in runs.keys() - {"copy", "load", "client"}:
        ratios = [other["seconds"] / one["seconds"] for one, other in zip(runs["load"], runs[part], strict=True)]
        results[part]["load_is_faster_by"] = summary(ratios)
        results[part]["types"] = damage(runs["load"][0]["types"], runs[part][0]["types"])
    publish("warehouse", results)


def _fill(server: mariadb.Server, rows: int) -> None:
    connection = server.connect()
    cursor = connection.cursor()
    cursor.execute("SET time_zone = '+00:00', sql_mode = '', sql_log_bin = 0")
    cursor.execute("CREATE USER peer@'%' IDENTIFIED BY 'peer'")
    cursor.execute("GRANT ALL ON app.* TO peer@'%'")
    cursor.execute(TABLE)
    cursor.execute(ROWS.format(rows=rows))
    connection.commit()
    cursor.execute("ANALYZE TABLE participants")
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", type=Path, help="folder of an environment with dlt")
    for hidden in ("--socket", "--folder", "--part"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is None:
        return benchmark(options)
    parts: dict[str, Callable[[], dict[str, Any]]] = {"naive": lambda: naive(options.socket, Path(options.folder))}
    run = parts.get(options.part, lambda: ours(options.socket, Path(options.folder), options.part))
    print(json.dumps(run()))
    return None


if __name__ == "__main__":
    main()
