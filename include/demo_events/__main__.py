"""`python -m include.demo_events --events 1000 --json`: the same load without Airflow."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields

from include.demo_events.config import DemoRequest, demo_request
from include.demo_events.pipeline import append_load
from spool import settings
from spool.errors import SpoolError
from spool.intake.client import SpoolClient
from spool.store.s3_store import s3_store_from_places

KINDS = {"int": int, "float": float}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.demo_events", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    for field in fields(DemoRequest):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(
            option, type=KINDS.get(str(field.type), str), default=field.default, help="default: %(default)s"
        )
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    try:
        request = demo_request(options)
        places = settings.places_from_environment()
        known = settings.load()
        with SpoolClient(places.folder, known, store=lambda: s3_store_from_places(places)) as client:
            summary = append_load(client, request, known)
    except SpoolError as error:
        sys.stderr.write(f"{error}\n{error.hint and 'What to do: ' + error.hint}\n")
        return 1
    sys.stdout.write(
        json.dumps(summary) + "\n" if as_json else f"appended {summary['events']:,} events: {summary['ranges']}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
