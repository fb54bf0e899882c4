"""A mail sink with a web view: whatever is sent to it is shown, nothing leaves the machine."""

from __future__ import annotations

import sys
from pathlib import Path

from stack.place import HOST, Place
from stack.probes import tcp
from stack.service import Service


def service(place: Place) -> Service:
    smtp, view = place.port("smtp"), place.port("mail_view")
    return Service(
        name="mail",
        command=[
            str(Path(sys.prefix) / "bin" / "maildump"), "-f", "--smtp-ip", HOST, "--smtp-port", str(smtp),
            "--http-ip", HOST, "--http-port", str(view), "--db", str(place.path("mail", "mail.sqlite")),
        ],
        prepare=lambda: place.make("mail"),
        ready=lambda: tcp(smtp) and tcp(view),
        ports=(smtp, view),
        url=f"http://{HOST}:{view}",
    )  # fmt: skip
