"""The verbs of `python -m include.counts`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from include.common.command_options import add_installation_option, add_state_option
from include.counts.batch_numbers import StageNumbers
from include.counts.ledger import StageLedger
from include.counts.stage_count import Counts
from include.counts.status_section import count_row
from spool.command_line import Output, Verb
from spool.command_line.options import whole_number
from spool.errors import SettingsError

DAYS = 30


def _show(options: argparse.Namespace, output: Output) -> int:
    since = datetime.now(UTC).date() - timedelta(days=options.days)
    with _books(options) as books:
        rows = [count_row(count)._asdict() for book in books for count in book.counts(since)]
    output.table(rows, empty="nothing was counted here on these days")
    return 0


def _open(options: argparse.Namespace, output: Output) -> int:
    with _books(options) as books:
        unsettled = [open_one for book in books for open_one in book.unsettled()]
    rows = [{**open_one._asdict(), "day": open_one.day.isoformat()} for open_one in unsettled]
    output.table(rows, empty="whatever went in has come out")
    return 0


def _check(options: argparse.Namespace, output: Output) -> int:
    # SQLAlchemy, which the verbs of the books do not need.
    from include.counts import check
    from include.counts.table import StageCounts
    from include.database.connection import database_from_environment
    from spool import settings

    today = datetime.now(UTC).date()
    through = today if options.include_today else today - timedelta(days=1)
    table = StageCounts(database_from_environment(), settings.load())
    rows = table.read(today - timedelta(days=options.days), today)
    check.demand_fresh(rows, through)
    checked = check.check(row for row in rows if row.day <= through)
    output.result({"rows": checked}, f"{checked:,} rows agree")
    return 0


@contextmanager
def _books(options: argparse.Namespace) -> Iterator[tuple[Counts, ...]]:
    if not options.state.is_dir():
        raise SettingsError(f"there is no state folder {options.state}", hint="give --state, or set SPILLWAY_STATE")
    with (
        StageLedger(options.state, options.installation) as ledger,
        StageNumbers(options.state, options.installation) as numbers,
    ):
        yield ledger, numbers


def _book_options(parser: argparse.ArgumentParser) -> None:
    add_state_option(parser)
    add_installation_option(parser)


def _show_options(parser: argparse.ArgumentParser) -> None:
    _book_options(parser)
    _days_option(parser)


def _check_options(parser: argparse.ArgumentParser) -> None:
    _days_option(parser)
    parser.add_argument("--include-today", action="store_true", help="check today too; only while no stage is at work")


def _days_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=whole_number, default=DAYS, metavar="N", help="how many days back (%(default)s)")


SHOW = Verb("Shows the sums of both books of this host: items by name, batches by number.", _show_options, _show)
OPEN = Verb(
    "Names what makes the differences: items that were taken and not settled, batches that have not come out whole. "
    "Some of it may be in the hands of a run that is at work.",
    _book_options,
    _open,
)
CHECK = Verb(
    "Compares the rows of all installations, as the DAG conservation_check does, and names each difference.",
    _check_options,
    _check,
)
