"""The events of an intake of log files."""

from __future__ import annotations

from dataclasses import dataclass

from include.common.event_type import FeatureEvent


@dataclass(frozen=True)
class LogLine(FeatureEvent, type="log.line", stream="machine_logs", content="the line's bytes, without its end"):
    """
    One line of a log file. `stream` of the request may name another stream.

    Its headers: `log_file` is the path, `log_byte` where the line begins in the file, `log_part` the number of a part
    where a line is longer than an event.
    """

    def event_key(self) -> str:
        """The file's path, so that its lines keep their order."""
        raise NotImplementedError
