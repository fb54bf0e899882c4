"""The task of `outbox_drain`: events that were written beside a change in MariaDB, into the spool."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plugins.conf import known_only
from plugins.connections import count_books, engine, mariadb
from plugins.failure_hints import log_error
from plugins.log_rows import log_rows

if TYPE_CHECKING:
    from include.outbox.drain import DrainSummary

LOGGER = logging.getLogger(__name__)


def drain_outbox(params: Mapping[str, Any]) -> dict[str, int]:
    """
    Append what waits, every stream in its turn; or only list it.

    The errors of all streams are logged with their hints; the most urgent one is raised when all had their turn.
    """
    conf = known_only(params, "seconds", "max_events", "dry_run")
    if conf["dry_run"]:
        return _list_waiting()
    from include.outbox.drain import drain, failed
    from spool.clock import Deadline

    with engine.spool_client() as spool:
        summaries = drain(
            mariadb.database(), spool, count_books.installation(),
            deadline=Deadline.after(conf["seconds"]), max_events=conf["max_events"],
        )  # fmt: skip
    log_rows([{"stream": stream, **_row(summary)} for stream, summary in summaries.items()])
    _raise_most_urgent(failed(summaries))
    counted = ("events", "batches", "refused")
    return {name: sum(getattr(summary, name) for summary in summaries.values()) for name in counted}


def _row(summary: DrainSummary) -> dict[str, Any]:
    return {**summary._asdict(), "error": type(summary.error).__name__ if summary.error else ""}


def _list_waiting() -> dict[str, int]:
    from include.outbox.waiting import waiting

    rows = waiting(mariadb.database())
    log_rows([row._asdict() for row in rows])
    LOGGER.info("a dry run: nothing was appended")
    return {"streams": len(rows), "waiting": sum(row.waiting for row in rows)}


def _raise_most_urgent(errors: Mapping[str, BaseException]) -> None:
    from spool.replay.streams import most_urgent

    for stream, error in errors.items():
        log_error(stream, error)
    if errors:
        raise most_urgent(errors.values())
