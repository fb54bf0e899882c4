"""`rewind`: send a log's events again from a segment on, or pass a gap."""

from __future__ import annotations

import argparse

from spool.cli.composition import parts
from spool.cli.options import add_config_option, add_stream_option, log_id
from spool.command_line import Output, Verb
from spool.command_line.options import number_from_0
from spool.names import LogName
from spool.replay.rewind import RewindPlan, plan_rewind, rewind


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=True)
    parser.add_argument("--log", type=log_id, required=True, help="the log; `stats` and `ls` name them")
    parser.add_argument("--to", type=number_from_0, required=True, metavar="SEGMENT", help="go on with this segment")
    parser.add_argument("--reason", default="", help="why; kept in the checkpoint")
    parser.add_argument("--dry-run", action="store_true", help="only print what would come again; changes nothing")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    stream, store, kafka = built.settings.stream(options.stream), built.store(), built.kafka()
    if options.dry_run:
        plan = plan_rewind(built.settings, stream, store, kafka, log=options.log, to_segment=options.to)
    else:
        plan = rewind(
            built.settings, stream, store, kafka, built.alarm_book(store),
            log=options.log, to_segment=options.to, reason=options.reason,
        )  # fmt: skip
    output.result({**plan._asdict(), "dry_run": options.dry_run}, _sentence(plan, dry_run=options.dry_run))
    return 0


def _sentence(plan: RewindPlan, *, dry_run: bool) -> str:
    verb = "would go" if dry_run else "goes"
    text = f"{LogName(plan.stream, plan.log)} {verb} on at offset {plan.to_offset:,} (segment {plan.to_segment})"
    if plan.again:
        text += f"; {plan.again:,} events come again, as generation {plan.generation}"
    if plan.skipped:
        text += f"; {plan.skipped:,} offsets are passed over and will not be delivered"
    return text


VERB = Verb(
    description="Fences the replayer of the log and commits where to go on. Run it with --dry-run first.",
    add_options=_add_options,
    run=_run,
)
