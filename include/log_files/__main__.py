"""`python -m include.log_files /var/log/dpkg.log --json`: the same intake without Airflow."""

from __future__ import annotations

import argparse
import json
import sys

from include.log_files import config
from include.log_files.pipeline import take_in
from spool import settings
from spool.errors import SpoolError
from spool.intake.client import SpoolClient
from spool.store.s3_store import s3_store_from_places


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.log_files", description=__doc__)
    parser.add_argument("paths", nargs="+", help="absolute paths or globs below the roots of config/log_files.yml")
    parser.add_argument("--stream", default="machine_logs", help="default: %(default)s")
    parser.add_argument("--max-events", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    options = parser.parse_args(arguments)
    try:
        request = config.IntakeRequest(tuple(options.paths), options.stream, options.max_events)
        places = settings.places_from_environment()
        with SpoolClient(places.folder, settings.load(), store=lambda: s3_store_from_places(places)) as client:
            summary = take_in(client, request, config.load())
    except SpoolError as error:
        sys.stderr.write(f"{error}\n{error.hint and 'What to do: ' + error.hint}\n")
        return 1
    text = json.dumps(summary) if options.json else f"took in {summary['events']:,} lines of {summary['files']} files"
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
