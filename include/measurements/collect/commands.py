"""The verbs of `python -m include.measurements.collect`."""

from __future__ import annotations

import argparse
import dataclasses
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.common.command_options import (
    add_config_option,
    add_installation_option,
    add_state_option,
    events_of,
)
from include.counts.ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.collect import announcements, composition, config
from include.measurements.collect.errors import HostRefused, SyncCancelled
from include.measurements.machine_faults import is_machine_fault, without_path
from spool.command_line import Output, Verb
from spool.command_line.exit_codes import worst
from spool.errors import SettingsError, SpoolError


def _sync(options: argparse.Namespace, output: Output) -> int:
    signal.signal(signal.SIGTERM, _cancel)
    hosts = config.load(options.config)
    if unknown := set(options.host) - hosts.keys():
        raise SettingsError(f"unknown host {sorted(unknown)[0]!a}", hint=f"known are {', '.join(sorted(hosts))}")
    options.state.mkdir(parents=True, exist_ok=True)
    errors: list[SpoolError] = []
    defects: list[Exception] = []
    with StageLedger(options.state, options.installation) as ledger:
        for collector in (hosts[name] for name in options.host or hosts):
            try:
                with _apart(defects):
                    summary = composition.sync_one(
                        collector,
                        options.state,
                        ledger,
                        events_of("spillway/collectors"),
                        _announcements(options.announcements),
                    )
            except SyncCancelled:
                raise
            except SpoolError as error:
                errors.append(error)
                output.error(error, about={"collector": collector.id})
            else:
                output.fields({**dataclasses.asdict(summary), "batches": len(summary.batches)})
    if defects:
        raise defects[0]
    return worst(errors)


@contextmanager
def _apart(defects: list[Exception]) -> Iterator[None]:
    """Make whatever else goes wrong at one host an error of that host; a fault of the machine is every host's."""
    try:
        yield
    except SpoolError:
        raise
    except OSError as error:
        if is_machine_fault(error):
            raise
        hint = "look at the host's folders below the state folder"
        raise HostRefused(without_path(error), hint=hint) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  the other hosts have their turn before the command ends with it
        defects.append(error)
        hint = "run it again with --verbose and report what it prints"
        raise HostRefused(f"a defect of this program: {type(error).__name__}", hint=hint) from None


def _announce(options: argparse.Namespace, output: Output) -> int:
    manifest = batch_manifest.hashed(options.host_folder / "outgoing" / options.batch)
    announcement = announcements.announcement_of(options.collector, options.batch, manifest)
    print(announcements.encode(announcement).decode())
    return 0


def _announcements(path: Path | None) -> composition.OpenAnnouncements | None:
    return (lambda: announcements.AnnouncementFile(path)) if path is not None else None


def _cancel(number: int, frame: object) -> None:
    raise SyncCancelled("stopped by SIGTERM", hint="run it again: it continues where it stopped")


def _sync_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", action="append", default=[], help="only this one (may be repeated)")
    add_config_option(parser, config.DEFAULT_FILE)
    add_state_option(parser)
    add_installation_option(parser)
    parser.add_argument("--announcements", type=Path, help="a file of announcements, for hosts that announce")


def _announce_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("collector")
    parser.add_argument("batch")
    parser.add_argument("host_folder", type=Path)


SYNC = Verb(
    "Pulls what is finished, one line for each host. A host that fails does not keep the others from their turn.",
    _sync_options,
    _sync,
)
ANNOUNCE = Verb(
    "On a collector: prints the announcement of a finished batch as one JSON line, for "
    "`python -m spool append --stream collector_batches`.",
    _announce_options,
    _announce,
)
