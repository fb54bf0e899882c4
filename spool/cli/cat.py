"""`cat`: events of a log, one JSON object a line."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from itertools import islice
from typing import Any

from spool.cli.composition import parts
from spool.cli.options import add_config_option, add_stream_option, log_id
from spool.clock import rfc3339
from spool.command_line import Output, Verb
from spool.command_line.options import number_from_0, whole_number
from spool.event import SPOOL_HEADER
from spool.format.position_header import decode_archived
from spool.format.record_batch import Record, records
from spool.format.segment_index import ArchivedSegment
from spool.names import LogName


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=True)
    parser.add_argument("--log", type=log_id, required=True, help="the log; `ls --stream S` names them")
    parser.add_argument(
        "--from", dest="start", type=number_from_0, default=0, metavar="OFFSET", help="first offset (0)"
    )
    parser.add_argument("--max", type=whole_number, default=None, metavar="N", help="at most N events (all)")
    parser.add_argument("--value", action="store_true", help="only the payloads, one a line")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    built.settings.stream(options.stream)
    records = built.archive().from_offset(LogName(options.stream, options.log), options.start)
    events = (event for archived in records for event in _events(archived, options.start))
    for event in islice(events, options.max):
        _print(event, only_value=options.value)
    return 0


def _events(archived: ArchivedSegment, start: int) -> list[dict[str, Any]]:
    """The segment's events in the order of the log: batches of several partitions are merged by offset."""
    rows = []
    for chunk in archived.chunks:
        chunk_rows = [_row(archived, r) for stored in chunk.batches for r in records(bytes(stored.data))]
        rows += sorted((row for row in chunk_rows if row["offset"] >= start), key=lambda row: row["offset"])
    return rows


def _row(archived: ArchivedSegment, record: Record) -> dict[str, Any]:
    headers = dict(record.headers)
    position = decode_archived(headers.pop(SPOOL_HEADER) or b"")
    return {
        "stream": archived.stream,
        "log": archived.log,
        "segment": archived.segment,
        "offset": position.offset,
        "group": [position.group_first, position.group_size] if position.group_size > 1 else None,
        "time": rfc3339(record.timestamp),
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in headers.items()},
        "value": _text(record.value),
    }


def _text(data: bytes | None) -> str | dict[str, str] | None:
    """Text where it is UTF-8; other bytes say that they are base64."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _print(event: dict[str, Any], *, only_value: bool) -> None:
    if only_value and isinstance(event["value"], str):
        print(event["value"])
    else:
        json.dump(event, sys.stdout, ensure_ascii=False, separators=(",", ":"))
        print()


VERB = Verb(
    description="Events of one log from an offset on, in the order of the log, read from the object store.",
    add_options=_add_options,
    run=_run,
)
