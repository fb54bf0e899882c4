"""The tasks of `spool_status`: what the neighbours say now, onto the board of this host and into the task's log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from plugins.conf import known_only
from plugins.connections import engine, kafka, mariadb
from plugins.connections.host_folders import spool_folder
from plugins.connections.status_board import board
from plugins.connections.store import object_store
from plugins.log_rows import log_rows
from spool.errors import SpoolError

if TYPE_CHECKING:
    from spool.status.section import Section

LOGGER = logging.getLogger(__name__)

# Of so many days the counts are shown; conservation_check compares 30.
COUNTS_DAYS = 7
FEATURE_LETTERS, OUTBOX = "feature_dead_letters", "outbox"

Take = Callable[[], "Section"]


def publish_engine(params: Mapping[str, Any]) -> dict[str, int]:
    """Logs, alarms and what Kafka refused; the conf has no keys."""
    known_only(params)
    from spool.audit import status_sections

    return _publish(
        {
            status_sections.LOGS: _logs,
            status_sections.ALARMS: _alarms,
            status_sections.DEAD_LETTERS: _refused_by_kafka,
        }
    )


def publish_database(params: Mapping[str, Any]) -> dict[str, int]:
    """Counts, what features could not process, and what waits to be emitted; the conf has no keys."""
    known_only(params)
    from include.counts.status_section import COUNTS

    return _publish({COUNTS: _counts, FEATURE_LETTERS: _left_by_features, OUTBOX: _outbox})


def _publish(takes: Mapping[str, Take]) -> dict[str, int]:
    """Each section by itself; the first error is raised when all were tried. How many rows each has."""
    errors: list[SpoolError] = []
    rows = {}
    for name, take in takes.items():
        try:
            taken = take()
        except SpoolError as error:  # one section that cannot be taken hides no other
            LOGGER.warning("%s: %s", name, error)
            board().publish_trouble(name, error)
            errors.append(error)
            continue
        board().publish(taken)
        rows[name] = len(taken.rows)
        LOGGER.info("%s:", name)
        log_rows(taken.rows)
        for trouble in taken.troubles:
            LOGGER.warning("%s", trouble)
    if errors:
        raise errors[0]
    return rows


def _logs() -> Section:
    from spool.audit.stats import stats
    from spool.audit.status_sections import LOGS
    from spool.status.section import section

    store = object_store()
    log_stats = stats(engine.settings(), spool_folder(), store, kafka.client_settings(), engine.alarms(store).all())
    return section(LOGS, log_stats.rows, log_stats.troubles)


def _alarms() -> Section:
    from spool.audit.status_sections import alarms_section

    return alarms_section(engine.alarms(object_store()).all())


def _refused_by_kafka() -> Section:
    from spool.audit.status_sections import DEAD_LETTERS, letters_section
    from spool.dead_letters.store import StoreDeadLetters

    return letters_section(DEAD_LETTERS, StoreDeadLetters(object_store(), engine.settings().root))


def _left_by_features() -> Section:
    from include.dead_letters.sql_letters import SqlDeadLetters
    from spool.audit.status_sections import letters_section

    return letters_section(FEATURE_LETTERS, SqlDeadLetters(mariadb.database(), {}))


def _outbox() -> Section:
    from include.outbox.waiting import waiting
    from spool.status.section import section

    return section(OUTBOX, waiting(mariadb.database()))


def _counts() -> Section:
    from include.counts.status_section import counts_section

    today = datetime.now(UTC).date()
    return counts_section(mariadb.counts_table().read(today - timedelta(days=COUNTS_DAYS), today))
