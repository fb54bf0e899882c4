"""`append`: NDJSON on standard input into a stream."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spool.cli.composition import parts
from spool.cli.options import add_config_option, add_stream_option
from spool.command_line import Output, Verb
from spool.command_line.options import seconds, whole_number
from spool.event import Accepted
from spool.intake.client import TIMEOUT_S, SpoolClient
from spool.intake.lines import read_lines
from spool.intake.ndjson import LineFields, naming_lines, read


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=True)
    parser.add_argument("--key-field", default="", help="this field of each line is the key")
    parser.add_argument("--group-field", default="", help="adjacent lines with one value of this field are one group")
    parser.add_argument("--type", default="", help="CloudEvents type of the events")
    parser.add_argument("--ack", choices=["s3", "disk"], default=None, help="what to wait for (the stream's own)")
    parser.add_argument(
        "--timeout", type=seconds, default=TIMEOUT_S, metavar="S", help="seconds for one batch (%(default)s)"
    )
    parser.add_argument(
        "--batch", type=whole_number, default=1000, metavar="N", help="lines in one append (%(default)s)"
    )


def _run(options: argparse.Namespace, output: Output) -> int:
    settings, places = built = parts(options)
    stream = settings.stream(options.stream)
    fields = LineFields(key=options.key_field, group=options.group_field, event_type=options.type)
    accepted_count = 0
    with (
        SpoolClient(places.folder, settings, store=built.store) as client,
        _stopped_by_sigterm() as is_stopped,
        output.progress(f"append to {options.stream}") as advance,
    ):
        lines = read_lines(sys.stdin.fileno(), is_stopped=is_stopped)
        try:
            for intake in read(lines, fields, batch=options.batch, event_bytes_max=stream.event_bytes_max):
                append = client.append_group if intake.is_group else client.append
                with naming_lines(intake):
                    accepted = append(
                        options.stream, intake.events, acknowledgement=options.ack, timeout_s=options.timeout
                    )
                accepted_count += accepted.event_count
                advance(accepted.event_count)
                _print_accepted(output, accepted, intake.last_line)
        finally:
            output.result({"accepted": accepted_count, "stream": options.stream}, f"accepted {accepted_count:,} events")
    return 0


@contextmanager
def _stopped_by_sigterm() -> Iterator[Callable[[], bool]]:
    """SIGTERM ends the input: what was read is appended and printed, half a line or group is not."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_accepted(output: Output, accepted: Accepted, last_line: int) -> None:
    row = {
        "stream": accepted.stream,
        "log": accepted.log,
        "ranges": [[r.first, r.next - 1] for r in accepted.ranges],
        "acknowledgement": accepted.acknowledgement,
        "last_line": last_line,
    }
    spans = ", ".join(f"{accepted.stream}/{accepted.log}/{r.first}..{r.next - 1}" for r in accepted.ranges)
    output.result(row, f"{spans}  on {accepted.acknowledgement}, lines up to {last_line}")


VERB = Verb(
    description="One JSON object a line; the line is the payload. Prints positions as they become durable.",
    add_options=_add_options,
    run=_run,
)
