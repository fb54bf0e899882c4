"""A MongoDB server for one test session: SecantusDB on a free port, its files in a folder of the session."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ports
from tests.support.server_process import accepts, end_server, start_server, wait_until_ready


@contextmanager
def secantus(folder: Path, *, accounts: bool = False) -> Iterator[str]:
    """The URI of a running server; it ends with the block. With `accounts`, each client needs one."""
    port = ports.reserve(ports.OTHERS)
    program = Path(sys.executable).parent / "secantusd-py"
    log = folder / "log"
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--storage-path", folder / "db"]
    process = start_server([*command, *(["--auth"] if accounts else [])], log)
    try:
        wait_until_ready(process, lambda: accepts(port), log)
        yield f"mongodb://127.0.0.1:{port}/?directConnection=true"
    finally:
        end_server(process)
