"""The name of a log, as every room says it."""

from __future__ import annotations

from typing import NamedTuple


class LogName(NamedTuple):
    """`events/4f1c09aa31`: the log's stream and its id."""

    stream: str
    log: str

    def __str__(self) -> str:
        return f"{self.stream}/{self.log}"
