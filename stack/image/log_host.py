"""[core] hostname_callable: the name of the service from which the api-server fetches the logs of running tasks."""

from __future__ import annotations

import os
import socket


def host_name() -> str:
    """The containers share one host name, because they share one spool folder; SPILLWAY_LOG_HOST distinguishes them."""
    return os.environ.get("SPILLWAY_LOG_HOST") or socket.gethostname()
