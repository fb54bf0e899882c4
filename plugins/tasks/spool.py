"""The tasks of the DAGs of the spool itself: ship, replay, verify, rewind."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from plugins.conf import known_only
from plugins.connections import engine
from plugins.connections.host_folders import spool_folder
from plugins.log_rows import log_rows
from spool.errors import SettingsError

LOGGER = logging.getLogger(__name__)


def chosen_streams(params: Mapping[str, Any]) -> list[str]:
    """The streams to verify: one, or every stream for `all`."""
    return engine.stream_names(known_only(params, "stream", "full")["stream"])


def append_late_events(params: Mapping[str, Any]) -> dict[str, int]:
    """
    Append what the listener had to put aside; the conf has no keys.

    LockTimeout, SpoolFull: nothing of that file was written.
    """
    known_only(params)
    from spool.intake.late_events import sweep

    with engine.spool_client() as client:
        return sweep(spool_folder(), client)


def ship_segments() -> dict[str, int]:
    """Seal what is due and ship what is sealed, in this host's folder."""
    summary = engine.shipper().ship_once()
    LOGGER.info("%s", summary)
    return counts(summary)


def drain_streams(params: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """From the archive into Kafka, all chosen streams side by side."""
    from plugins.spool_drain import drain_side_by_side

    conf = known_only(params, "stream", "seconds", "max_events", "dry_run")
    replayers = engine.replayers(engine.stream_names(conf["stream"]))
    summaries = drain_side_by_side(
        replayers, max_events=conf["max_events"], seconds=conf["seconds"], dry_run=conf["dry_run"]
    )
    if conf["dry_run"]:
        log_rows([{"stream": stream, **row._asdict()} for stream, done in summaries.items() for row in done.plan])
    else:
        log_rows([{"stream": stream, **counts(done)} for stream, done in summaries.items()])
    return {stream: counts(summary) for stream, summary in summaries.items()}


def verify_stream(stream: str, *, full: bool) -> dict[str, int]:
    """Compare archive and Kafka. VerifyFailed, after the table was logged, where they differ."""
    from spool.audit.verify_report import demand_green

    report = engine.verify(stream, full=full)
    log_rows([_verdict_first(row._asdict()) for row in report.rows])
    if report.foreign:
        LOGGER.warning("%s records of the topic were written by no spool", report.foreign)
    demand_green([report])
    totals = Counter[str]()
    for row in report.rows:
        totals.update(counts(row))
    return {"logs": len(report.rows), **totals}


def _verdict_first(row: Mapping[str, object]) -> dict[str, object]:
    """What must be 0 in the columns that a log view shows without scrolling."""
    first = ("log", "missing", "doubled", "out_of_order", "gaps")
    rest = (name for name in row if name not in (*first, "stream"))
    return {name: row[name] for name in (*first, *rest)}


def rewind_log(params: Mapping[str, Any], *, who: str) -> dict[str, int]:
    """Print the plan; act on it unless `dry_run`. Without a log: the logs there are."""
    conf = known_only(params, "stream", "log", "segment", "reason", "dry_run")
    stream, log, segment, reason = conf["stream"], conf["log"], conf["segment"], (conf["reason"] or "").strip()
    if conf["dry_run"] and not log:
        return _list_logs(stream)
    if conf["dry_run"]:
        plan = engine.plan_rewind(stream, log, segment)
    elif log and reason:
        plan = engine.rewind(stream, log, segment, reason=reason, who=who)
    else:
        raise SettingsError(
            "conf: log and reason are needed when dry_run is off",
            hint="run it dry first; then trigger with log, segment, a reason and dry_run false",
        )
    log_rows([plan._asdict()])
    LOGGER.info(
        "%s: %s events come again, %s are passed over",
        "a dry run" if conf["dry_run"] else "done",
        plan.again,
        plan.skipped,
    )
    if conf["dry_run"]:
        LOGGER.info("nothing was changed; to do it, trigger again with a reason and dry_run off")
    return counts(plan)


def _list_logs(stream: str) -> dict[str, int]:
    rows = engine.replayers([stream])[stream].plan()
    if rows:
        LOGGER.info("no log was named; these are the logs of %s:", stream)
        log_rows([row._asdict() for row in rows])
        LOGGER.info("trigger again with one of them and the segment to begin with: still dry, it shows the plan")
    else:
        LOGGER.info("the archive holds no log of %s yet: there is nothing to rewind", stream)
    return {"logs": len(rows)}


def counts(summary: Any) -> dict[str, int]:
    """The whole numbers of a summary: what of it may go into XCom."""
    return {name: value for name, value in _named(summary).items() if type(value) is int}


def _named(summary: Any) -> dict[str, Any]:
    return summary._asdict() if hasattr(summary, "_asdict") else dict(vars(summary))
