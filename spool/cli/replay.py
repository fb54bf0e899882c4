"""`replay`: from the object store into Kafka, exactly once."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spool.cli.composition import Parts, parts
from spool.cli.options import add_config_option, add_stream_option, log_id
from spool.command_line import Output, Verb
from spool.command_line.options import seconds, whole_number
from spool.errors import SettingsError, SpoolError
from spool.names import LogName
from spool.replay.release import plan_release, release
from spool.replay.replayer import Replayer, ReplaySummary
from spool.replay.streams import drain_streams, most_urgent
from spool.settings import StreamSettings


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=False)
    parser.add_argument("--follow", action="store_true", help="go on until SIGTERM, through outages of any length")
    parser.add_argument("--max-events", type=whole_number, default=None, metavar="N", help="stop after about N events")
    parser.add_argument("--seconds", type=seconds, default=None, metavar="S", help="stop after S seconds")
    parser.add_argument(
        "--instance", default=None, metavar="NAME", help="a stable name takes over at once after a kill"
    )
    parser.add_argument("--dry-run", action="store_true", help="only print the plan; changes nothing")
    parser.add_argument(
        "--release", type=log_id, default=None, metavar="LOG",
        help="replay nothing; let this log begin before the one it continues is delivered (with --stream, --reason)",
    )  # fmt: skip
    parser.add_argument("--reason", default="", help="why a log is released; kept in its checkpoint")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    built.kafka()  # no thread is started without a Kafka
    if options.release is not None:
        return _release(built, options, output)
    streams = built.streams(options.stream)
    if options.dry_run:
        return _print_plan(built, streams, options, output)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    drained = drain_streams(
        {stream.name: _replayer(built, stream, options) for stream in streams},
        max_events=options.max_events, deadline_s=options.seconds, follow=options.follow, stop=stop,
    )  # fmt: skip
    for name, summary in drained.summaries.items():
        _print_summary(output, name, summary)
    if drained.errors:
        raise _one_of(drained.errors, output)
    return 0


def _release(built: Parts, options: argparse.Namespace, output: Output) -> int:
    if options.stream is None:
        raise SettingsError("--release needs the stream of its log", hint="name it: --stream NAME")
    stream, store, kafka = built.settings.stream(options.stream), built.store(), built.kafka()
    if options.dry_run:
        plan = plan_release(built.settings, stream, store, kafka, log=options.release)
    else:
        plan = release(
            built.settings, stream, store, kafka, built.alarm_book(store), log=options.release, reason=options.reason
        )
    verb = "would begin" if options.dry_run else "begins"
    output.result(
        {**plan._asdict(), "dry_run": options.dry_run},
        f"{LogName(plan.stream, plan.log)} {verb} at offset {plan.first_offset:,}, though log {plan.predecessor} is "
        f"delivered to offset {plan.delivered_to:,} only; what that still brings will come later than its successor",
    )
    return 0


def _one_of(errors: Mapping[str, BaseException], output: Output) -> BaseException:
    """The most urgent error; the others are printed."""
    worst = most_urgent(errors.values())
    for error in errors.values():
        if error is not worst and isinstance(error, SpoolError):
            output.error(error)
    return worst


def _replayer(built: Parts, stream: StreamSettings, options: argparse.Namespace) -> Replayer:
    store = built.store()
    kafka = built.kafka()
    return Replayer(built.settings, stream, store, kafka, built.alarm_book(store), instance=options.instance)


def _print_plan(built: Parts, streams: list[StreamSettings], options: argparse.Namespace, output: Output) -> int:
    rows: list[dict[str, Any]] = []
    for stream in streams:
        rows += [{"stream": stream.name, **row._asdict()} for row in _replayer(built, stream, options).plan()]
    output.table(rows, empty="the archive holds no log: nothing to send")
    return 0


def _print_summary(output: Output, stream: str, summary: ReplaySummary) -> None:
    row = {"stream": stream, **{name: value for name, value in asdict(summary).items() if name != "plan"}}
    sentence = f"{stream}: {summary.events:,} events in {summary.transactions} transactions"
    if summary.batches_laid_out_anew:
        sentence += f", {summary.batches_laid_out_anew:,} batches laid out again"
    if summary.dead_letters:
        sentence += f", {summary.dead_letters:,} dead letters"
    output.result(row, sentence)


VERB = Verb(
    description="Goes on after the checkpoint of each log. Safe to kill and to run again at any time.",
    add_options=_add_options,
    run=_run,
)
