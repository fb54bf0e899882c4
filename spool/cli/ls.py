"""`ls`: what is in the archive and in this host's folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from spool.archive.archive import Archive
from spool.archive.log_extent import log_extents
from spool.cli.composition import Parts, parts
from spool.cli.options import add_config_option, add_stream_option, log_id
from spool.clock import rfc3339
from spool.command_line import Output, UsageError, Verb
from spool.command_line.options import number_from_0, whole_number
from spool.log.folder import log_folders, segment_files
from spool.names import LogName


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    add_stream_option(parser, required=False)
    parser.add_argument("--log", type=log_id, default=None, help="the segments of this log, oldest first")
    parser.add_argument(
        "--from", dest="start", type=number_from_0, default=0, metavar="N", help="from segment N on (0)"
    )
    parser.add_argument("--max", type=whole_number, default=1000, metavar="N", help="at most N lines (%(default)s)")
    parser.add_argument("--local", action="store_true", help="this host's folder instead of the object store")


def _run(options: argparse.Namespace, output: Output) -> int:
    built = parts(options)
    if options.stream:
        built.settings.stream(options.stream)
    if options.local:
        output.table(_local(built, options.stream), empty="no segment on this host")
    elif options.log:
        if not options.stream:
            raise UsageError("--log needs --stream", hint="`ls` lists the logs of all streams")
        rows = _segments(built.archive(), options)
        output.table(rows, empty=f"no object of {options.stream}/{options.log} from segment {options.start} on")
    else:
        rows = list(_logs(built.archive(), options.stream))
        output.table(rows[: options.max], empty="the archive holds no log")
    return 0


def _logs(archive: Archive, stream: str | None) -> Iterator[dict[str, Any]]:
    for extent in log_extents(archive, stream):
        newest = extent.newest
        yield {
            "stream": extent.name.stream,
            "log": extent.name.log,
            "first_segment": extent.first,
            "last_segment": extent.last,
            "objects": extent.objects,
            "missing": extent.missing,
            "next_offset": newest.next_offset if newest else None,
            "after": "/".join(map(str, newest.after)) if newest and newest.after else None,
        }


def _segments(archive: Archive, options: argparse.Namespace) -> list[dict[str, Any]]:
    name = LogName(options.stream, options.log)
    rows = []
    for number in archive.segments(name, options.start):
        index = archive.index(name, number)
        times = [t for chunk in index.chunks for t in (chunk.min_time_ms, chunk.max_time_ms)]
        rows.append(
            {
                "segment": number,
                "first_offset": index.first_offset,
                "next_offset": index.next_offset,
                "events": index.event_count,
                "chunks": len(index.chunks),
                "holes": sum(hole.next - hole.first for hole in index.holes),
                "from": rfc3339(min(times)) if times else None,
                "to": rfc3339(max(times)) if times else None,
            }
        )
        if len(rows) == options.max:
            break
    return rows


def _local(built: Parts, stream: str | None) -> list[dict[str, Any]]:
    return [
        {
            "stream": folder.stream,
            "log": folder.log,
            "segment": f.segment,
            "state": f.state,
            "bytes": f.path.stat().st_size,
        }
        for folder in log_folders(built.places.folder)
        if stream in (None, folder.stream)
        for f in segment_files(folder.path)
    ]


VERB = Verb(
    description="Without --log: the logs of the archive. With --stream and --log: its segments, oldest first.",
    add_options=_add_options,
    run=_run,
)
