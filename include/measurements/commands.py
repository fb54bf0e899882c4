"""The verbs of `python -m include.measurements`."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

from include.clients import mongo
from include.common.command_options import (
    add_config_option,
    add_installation_option,
    add_state_option,
    events_of,
)
from include.common.emit import Emit
from include.counts.batch_numbers import StageNumbers
from include.counts.ledger import StageLedger
from include.measurements import config
from include.measurements.load import pipeline
from include.measurements.load.mongo_store import MeasurementStore
from include.measurements.load.stage import Limit
from include.measurements.publish import mirror, mirror_server
from include.measurements.restore.request import RestoreRequest, carry_out
from include.measurements.restore.restorer import Restorer
from include.measurements.restore.sanitize_command import made_by, sanitize_command
from include.measurements.state_folders import StateFolders
from spool.command_line import Output, Verb
from spool.command_line.options import number_from_0, seconds, whole_number
from spool.errors import SettingsError


def _postprocess(options: argparse.Namespace, output: Output) -> int:
    with _ledger(options) as ledger:
        summary = pipeline.postprocess(StateFolders(options.state), ledger, _events(), _limit(options))
    output.fields(dataclasses.asdict(summary))
    return 0


def _import(options: argparse.Namespace, output: Output) -> int:
    folders = StateFolders(options.state)
    store = MeasurementStore(mongo.database(_variable("SPILLWAY_MONGO_IMPORT_URI")))
    with _ledger(options) as ledger, StageNumbers(options.state, options.installation) as numbers:
        summary = pipeline.import_reports(folders, ledger, numbers, _events(), _limit(options), store)
    read = os.environ.get("SPILLWAY_MONGO_READ_URI") or _variable("SPILLWAY_MONGO_IMPORT_URI")
    bridges = pipeline.export_bridges(folders, config.load(options.config), mongo.database(read))
    output.fields({**dataclasses.asdict(summary), "bridges": bridges})
    return 0


def _publish(options: argparse.Namespace, output: Output) -> int:
    with _ledger(options) as ledger:
        title = config.load(options.config).mirror_title
        summary = mirror.publish(StateFolders(options.state), ledger, _events(), title)
    output.fields(dataclasses.asdict(summary))
    return 0


def _restore(options: argparse.Namespace, output: Output) -> int:
    folders, emit = StateFolders(options.state), _events()
    request = RestoreRequest(options.archived, options.rules_version, dry_run=not options.yes)
    store = MeasurementStore(mongo.database(_variable("SPILLWAY_MONGO_IMPORT_URI")))
    if options.yes and options.bridges is None:
        raise SettingsError("no bridge map", hint="give --bridges FILE, or set SPILLWAY_BRIDGES")
    bridges = options.bridges or Path(os.devnull)
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
        restored = carry_out(request, restorer, made_by(bridges))
    output.fields(restored)
    return 0


def _serve(options: argparse.Namespace, output: Output) -> int:
    public = StateFolders(options.state).public
    public.mkdir(exist_ok=True)
    with mirror_server.server(public, options.address, options.port) as server:
        output.fields({"serving": str(public), "url": f"http://{options.address}:{server.server_port}/"})
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _ledger(options: argparse.Namespace) -> StageLedger:
    options.state.mkdir(parents=True, exist_ok=True)
    return StageLedger(options.state, options.installation)


def _limit(options: argparse.Namespace) -> Limit:
    return Limit(options.max_reports, options.deadline_s)


def _events() -> Emit:
    return events_of("spillway/measurements")


def _variable(name: str) -> str:
    if not (value := os.environ.get(name, "")):
        raise SettingsError(f"{name} is not set", hint="mongodb://user:password@host:port/database")
    return value


def _common_options(parser: argparse.ArgumentParser) -> None:
    add_state_option(parser)
    add_installation_option(parser)
    add_config_option(parser, config.DEFAULT_FILE)


def _limited_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("--max-reports", type=whole_number, default=Limit().reports, help="at most (%(default)s)")
    parser.add_argument(
        "--deadline-s", type=seconds, default=Limit().deadline_s, help="stop after this many seconds (%(default)s)"
    )


def _restore_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument(
        "archived", nargs="?", default="", help="path below the archive folder; without it, a list of them"
    )
    parser.add_argument("--rules-version", type=number_from_0, help="all that this version of the rules has sanitized")
    bridges = os.environ.get("SPILLWAY_BRIDGES")
    parser.add_argument("--bridges", type=Path, default=bridges, help="the bridge map, needed with --yes (%(default)s)")
    parser.add_argument("--archive", type=Path, help="the archive folder (STATE/archive)")
    parser.add_argument("--yes", action="store_true", help="do it; without, the plan is shown")


def _serve_options(parser: argparse.ArgumentParser) -> None:
    _common_options(parser)
    parser.add_argument("--address", default="127.0.0.1")
    port = int(os.environ.get("SPILLWAY_MIRROR_PORT", "8099"))
    parser.add_argument("--port", type=number_from_0, default=port, help="0 takes a free one (%(default)s)")


POSTPROCESS = Verb("Staged measurement reports become importable ones.", _limited_options, _postprocess)
IMPORT = Verb(
    "Imports measurement reports into MongoDB, then writes the table of blocked bridges. MongoDB: "
    "SPILLWAY_MONGO_IMPORT_URI; SPILLWAY_MONGO_READ_URI for reading (else the same).",
    _limited_options,
    _import,
)
PUBLISH = Verb("Brings the public folder up to date with what was imported.", _common_options, _publish)
RESTORE = Verb(
    "Sanitizes archived originals again, one or all of a rules version, and replaces what was made of them. "
    "Shows the plan; --yes does it. Without an argument: lists what can be restored.",
    _restore_options,
    _restore,
)
SERVE = Verb("Serves the public folder over HTTP, GET only.", _serve_options, _serve)
