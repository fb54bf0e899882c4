"""The task of `spool_demo_events`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugins.connections import engine


def append_demo_events(params: Mapping[str, Any]) -> dict[str, Any]:
    """Generate and append a demo load."""
    from include.demo_events.config import demo_request
    from include.demo_events.pipeline import append_load

    request = demo_request(params)
    with engine.spool_client() as client:
        return append_load(client, request, engine.settings())
