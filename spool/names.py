"""The name of a log, and of the person who decides, as every room says them."""

from __future__ import annotations

import getpass
import socket
from typing import NamedTuple


class LogName(NamedTuple):
    """`events/4f1c09aa31`: the log's stream and its id."""

    stream: str
    log: str

    def __str__(self) -> str:
        return f"{self.stream}/{self.log}"


def operator_name() -> str:
    """Who runs this, `user@host`, as it is kept with what an operator decides."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
