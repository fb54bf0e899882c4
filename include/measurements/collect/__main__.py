"""
`python -m include.measurements.collect`: the collectors without Airflow.

    sync [--host ID]...                          pull what is finished, one line for each host
    announce ID BATCH HOST_FOLDER                on a collector: the announcement of a finished batch, one JSON line
                                                 (pipe it into `python -m spool append --stream collector_batches`)

One host that fails does not keep the others from their turn. Exit code 0: all went well; 1: at least one host failed
and needs a person; 75: at least one failed and may do better on the next try.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from include.common.emit import Emit, no_events
from include.common.spool_events import spool_events
from include.common.stage_ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.collect import announcements, composition, config
from include.measurements.collect.errors import SyncCancelled
from spool.errors import SettingsError, SpoolError, TransientError

TRY_AGAIN = 75
STREAM = "measurements"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, _cancel)
    try:
        code: int = options.run(options)
    except SpoolError as error:
        _say_error(options.json, "", error)
        return TRY_AGAIN if isinstance(error, TransientError) else 1
    return code


def _sync(options: argparse.Namespace) -> int:
    hosts = config.load(options.config)
    if unknown := set(options.host) - hosts.keys():
        raise SettingsError(f"unknown host {sorted(unknown)[0]!a}", hint=f"known are {', '.join(sorted(hosts))}")
    options.state.mkdir(parents=True, exist_ok=True)
    failed: list[SpoolError] = []
    with StageLedger(options.state, options.installation) as ledger:
        for collector in (hosts[name] for name in options.host or hosts):
            try:
                summary = composition.sync_one(
                    collector, options.state, ledger, _events(), _announcements(options.announcements)
                )
            except SyncCancelled:
                raise
            except SpoolError as error:
                failed.append(error)
                _say_error(options.json, collector.id, error)
            else:
                _say(options.json, {**dataclasses.asdict(summary), "batches": len(summary.batches)})
    if any(not isinstance(error, TransientError) for error in failed):
        return 1
    return TRY_AGAIN if failed else 0


def _announce(options: argparse.Namespace) -> int:
    manifest = batch_manifest.hashed(options.host_folder / "outgoing" / options.batch)
    announcement = announcements.announcement_of(options.collector, options.batch, manifest)
    print(announcements.encode(announcement).decode())
    return 0


def _events() -> Emit:
    if not (folder := os.environ.get("SPOOL_FOLDER", "")):
        return no_events
    from spool import settings
    from spool.intake.client import SpoolClient

    return spool_events(SpoolClient(Path(folder), settings.load()).append, STREAM, "spillway/collectors")


def _announcements(path: Path | None) -> composition.OpenAnnouncements | None:
    return (lambda: announcements.AnnouncementFile(path)) if path is not None else None


def _say(as_json: bool, row: dict[str, object]) -> None:
    print(json.dumps(row) if as_json else "  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)


def _say_error(as_json: bool, collector: str, error: SpoolError) -> None:
    row = {"collector": collector, "error": type(error).__name__, "message": str(error), "hint": error.hint}
    print(json.dumps(row) if as_json else f"{collector}: {type(error).__name__}: {error}\n  what to do: {error.hint}")


def _cancel(number: int, frame: object) -> None:
    raise SyncCancelled("stopped by SIGTERM", hint="run it again: it goes on where it stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.measurements.collect", description=__doc__.split("\n")[1])
    verbs = parser.add_subparsers(required=True)
    sync = verbs.add_parser("sync", help="pull what is finished")
    sync.add_argument("--host", action="append", default=[], help="only this one (may be repeated)")
    sync.add_argument("--config", type=Path, default=config.DEFAULT_FILE, help="(%(default)s)")
    sync.add_argument(
        "--state", type=Path, default=Path(os.environ.get("SPILLWAY_STATE", "state")), help="(%(default)s)"
    )
    sync.add_argument("--installation", default=os.environ.get("SPILLWAY_INSTALLATION", "local"), help="(%(default)s)")
    sync.add_argument("--announcements", type=Path, help="a file of announcements, for hosts that announce")
    sync.add_argument("--json", action="store_true", help="one JSON object a line")
    sync.set_defaults(run=_sync)
    announce = verbs.add_parser("announce", help="print the announcement of a finished batch")
    announce.add_argument("collector")
    announce.add_argument("batch")
    announce.add_argument("host_folder", type=Path)
    announce.set_defaults(run=_announce, json=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
