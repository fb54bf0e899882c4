"""
`python -m include.measurements`: the measurements without Airflow.

    postprocess                staging -> reports
    import                     reports -> MongoDB -> imported, then the table of blocked bridges
    publish                    imported -> public
    restore [ARCHIVED]         sanitize one archived original again; without one, list what can be restored
    restore --rules-version N  all that version N of the rules has sanitized (both show the plan; --yes does it)
    serve                      the public folder over HTTP, GET only

MongoDB: SPILLWAY_MONGO_IMPORT_URI for import and restore, SPILLWAY_MONGO_READ_URI for reading (else the same).
Exit code 0: done, whatever single reports were; 1: it needs a person; 75: the next try may do better.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from include.clients import mongo
from include.common.emit import Emit, no_events
from include.common.spool_events import spool_events
from include.common.stage_ledger import StageLedger
from include.measurements import config
from include.measurements.load import pipeline
from include.measurements.load.mongo_store import MeasurementStore
from include.measurements.load.stage import Limit
from include.measurements.publish import mirror, mirror_server
from include.measurements.restore.request import RestoreRequest, carry_out
from include.measurements.restore.restorer import Restorer
from include.measurements.restore.sanitize_command import made_by, sanitize_command
from include.measurements.state_folders import StateFolders
from spool.errors import SettingsError, SpoolError, TransientError

TRY_AGAIN = 75
STREAM = "measurements"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    try:
        options.run(options)
    except SpoolError as error:
        row = {"error": type(error).__name__, "message": str(error), "hint": error.hint}
        print(
            json.dumps(row) if options.json else f"{row['error']}: {error}\n  what to do: {error.hint}", file=sys.stderr
        )
        return TRY_AGAIN if isinstance(error, TransientError) else 1
    return 0


def _postprocess(options: argparse.Namespace) -> None:
    with _ledger(options) as ledger:
        summary = pipeline.postprocess(StateFolders(options.state), ledger, _events(), _limit(options))
    _say(options, dataclasses.asdict(summary))


def _import(options: argparse.Namespace) -> None:
    folders = StateFolders(options.state)
    store = MeasurementStore(mongo.database(_variable("SPILLWAY_MONGO_IMPORT_URI")))
    with _ledger(options) as ledger:
        summary = pipeline.import_reports(folders, ledger, _events(), _limit(options), store)
    read = os.environ.get("SPILLWAY_MONGO_READ_URI") or _variable("SPILLWAY_MONGO_IMPORT_URI")
    bridges = pipeline.export_bridges(folders, config.load(options.config), mongo.database(read))
    _say(options, {**dataclasses.asdict(summary), "bridges": bridges})


def _publish(options: argparse.Namespace) -> None:
    with _ledger(options) as ledger:
        title = config.load(options.config).mirror_title
        summary = mirror.publish(StateFolders(options.state), ledger, _events(), title)
    _say(options, dataclasses.asdict(summary))


def _restore(options: argparse.Namespace) -> None:
    request = RestoreRequest(options.archived, options.rules_version, dry_run=not options.yes)
    folders, emit = StateFolders(options.state), _events()
    if options.yes and options.bridges is None:
        raise SettingsError("no bridge map", hint="give --bridges FILE, or set SPILLWAY_BRIDGES")
    bridges = options.bridges or Path(os.devnull)
    store = MeasurementStore(mongo.database(_variable("SPILLWAY_MONGO_IMPORT_URI")))
    title = config.load(options.config).mirror_title
    with _ledger(options) as ledger:
        restorer = Restorer(
            folders,
            options.archive or options.state / "archive",
            store,
            sanitize_command(bridges),
            lambda: mirror.publish_locked(folders, ledger, emit, title),
            emit,
        )
        answer = carry_out(request, restorer, made_by(bridges))
    _say(options, answer)


def _serve(options: argparse.Namespace) -> None:
    public = StateFolders(options.state).public
    public.mkdir(exist_ok=True)
    with mirror_server.server(public, options.address, options.port) as server:
        _say(options, {"serving": str(public), "url": f"http://{options.address}:{server.server_port}/"})
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _ledger(options: argparse.Namespace) -> StageLedger:
    options.state.mkdir(parents=True, exist_ok=True)
    return StageLedger(options.state, options.installation)


def _limit(options: argparse.Namespace) -> Limit:
    return Limit(options.max_reports, options.deadline_s)


def _events() -> Emit:
    if not (folder := os.environ.get("SPOOL_FOLDER", "")):
        return no_events
    from spool import settings
    from spool.intake.client import SpoolClient

    return spool_events(SpoolClient(Path(folder), settings.load()).append, STREAM, "spillway/measurements")


def _variable(name: str) -> str:
    if not (value := os.environ.get(name, "")):
        raise SettingsError(f"{name} is not set", hint="mongodb://user:password@host:port/database")
    return value


def _say(options: argparse.Namespace, row: dict[str, object]) -> None:
    print(json.dumps(row) if options.json else "  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.measurements", description=__doc__.split("\n")[1])
    verbs = parser.add_subparsers(required=True)
    state = Path(os.environ.get("SPILLWAY_STATE", "state"))
    for name, run, text in (
        ("postprocess", _postprocess, "staging -> reports"),
        ("import", _import, "reports -> MongoDB -> imported"),
        ("publish", _publish, "imported -> public"),
        ("restore", _restore, "sanitize archived originals again"),
        ("serve", _serve, "the public folder over HTTP"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(run=run)
        verb.add_argument("--state", type=Path, default=state, help="the state folder (%(default)s)")
        verb.add_argument("--installation", default=os.environ.get("SPILLWAY_INSTALLATION", "local"))
        verb.add_argument("--config", type=Path, default=config.DEFAULT_FILE, help="(%(default)s)")
        verb.add_argument("--json", action="store_true", help="one JSON object a line")
        if name in ("postprocess", "import"):
            verb.add_argument("--max-reports", type=int, default=Limit().reports)
            verb.add_argument("--deadline-s", type=float, default=Limit().deadline_s)
        if name == "restore":
            verb.add_argument(
                "archived", nargs="?", default="", help="path below the archive folder; without it, a list of them"
            )
            verb.add_argument("--rules-version", type=int, help="all that this version of the rules has sanitized")
            verb.add_argument(
                "--bridges", type=Path, default=os.environ.get("SPILLWAY_BRIDGES"), help="the bridge map, to act"
            )
            verb.add_argument("--archive", type=Path, help="(STATE/archive)")
            verb.add_argument("--yes", action="store_true", help="do it; without, the plan is shown")
        if name == "serve":
            verb.add_argument("--address", default="127.0.0.1")
            verb.add_argument("--port", type=int, default=int(os.environ.get("SPILLWAY_MIRROR_PORT", "8099")))
    return parser


if __name__ == "__main__":
    sys.exit(main())
