"""The spool's resident shipper: seals and ships this host's folder, serves producers that wait for S3."""

from __future__ import annotations

import os
import sys

from stack.environment import deployment
from stack.place import REPOSITORY, Place
from stack.service import Service


def service(place: Place) -> Service:
    heartbeat = place.path("spool", "ship.heartbeat")
    return Service(
        name="shipper",
        command=[sys.executable, "-m", "spool", "ship", "--follow"],
        environment={**deployment(place), "PYTHONPATH": str(REPOSITORY)},
        prepare=lambda: place.make("spool"),
        ready=lambda: _beats(place),
        stop_wait_s=30,
        url=str(heartbeat) if os.environ.get("STACK_DEBUG") else "",
    )


def _beats(place: Place) -> bool:
    from spool.shipping.ship_lock import somebody_ships

    return somebody_ships(place.path("spool"))
