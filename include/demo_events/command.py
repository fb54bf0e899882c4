"""The command of `python -m include.demo_events`."""

from __future__ import annotations

import argparse
from dataclasses import fields

from include.demo_events.config import DemoRequest, demo_request
from include.demo_events.pipeline import append_load
from spool import settings
from spool.command_line import Output, Verb
from spool.intake.client import SpoolClient
from spool.store.s3_store import s3_store_from_places

_FIELDS = fields(DemoRequest)


def _add_options(parser: argparse.ArgumentParser) -> None:
    for field in _FIELDS:
        kind = type(field.default) if isinstance(field.default, int | float) else str
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default, help="(%(default)s)")


def _run(options: argparse.Namespace, output: Output) -> int:
    request = demo_request({field.name: getattr(options, field.name) for field in _FIELDS})
    places, spool_settings = settings.places_from_environment(), settings.load()
    with SpoolClient(places.folder, spool_settings, store=lambda: s3_store_from_places(places)) as client:
        summary = append_load(client, request, spool_settings)
    output.result(summary, f"appended {summary['events']:,} events: {summary['ranges']}")
    return 0


VERB = Verb("Generates and appends a demo load, the same as the DAG spool_demo_events.", _add_options, _run)
