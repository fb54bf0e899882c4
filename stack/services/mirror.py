"""The public mirror of measurement reports, read only."""

from __future__ import annotations

import sys

from stack.environment import deployment, python_path
from stack.place import HOST, Place
from stack.probes import tcp
from stack.service import Service


def service(place: Place) -> Service:
    port = place.port("mirror")
    return Service(
        name="mirror",
        command=[
            sys.executable, "-m", "include.measurements", "serve",
            "--address", HOST, "--port", str(port), "--state", str(place.path("state")),
        ],
        environment={**deployment(place), **python_path()},
        prepare=lambda: place.make("state"),
        ready=lambda: tcp(port),  # an empty mirror answers 404
        ports=(port,),
        url=f"http://{HOST}:{port}",
    )  # fmt: skip
