"""
What the tasks of the spool's DAGs do: each function is one task, returns ids and counts only, and may be run again.

The work is done in spool/ and include/; here the pieces of `wiring` are handed over and the outcome is put into words
for the task's log. A conf key that the DAG does not know is refused: Airflow itself lets any through.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from plugins import wiring
from plugins.log_table import log_rows

LOGGER = logging.getLogger(__name__)


def append_late_events() -> dict[str, int]:
    """Append what the listener had to put aside. LockTimeout, SpoolFull: nothing of that file was written."""
    from plugins.late_events import sweep

    with wiring.spool_client() as client:
        return sweep(wiring.spool_folder(), client)


def ship_segments() -> dict[str, int]:
    """Seal what is due and ship what is sealed, in this host's folder."""
    summary = wiring.shipper().ship_once()
    LOGGER.info("%s", summary)
    return counts(summary)


def drain_streams(params: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """From the archive into Kafka, all chosen streams side by side."""
    from plugins.spool_drain import drain_side_by_side

    conf = known_only(params, "stream", "seconds", "max_events", "dry_run")
    replayers = wiring.replayers(wiring.stream_names(conf["stream"]))
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
    from spool.audit.verify import demand_green

    report = wiring.verify(stream, full=full)
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
    from spool.errors import SettingsError

    conf = known_only(params, "stream", "log", "segment", "reason", "dry_run")
    stream, log, segment = conf["stream"], conf["log"], conf["segment"]
    if not conf["dry_run"]:
        if not (conf["reason"].strip() and log):
            raise SettingsError(
                "conf: log and reason are needed when dry_run is off",
                hint="run it dry first; then trigger with log, segment, a reason and dry_run false",
            )
        made = wiring.rewind(stream, log, segment, reason=conf["reason"], who=who)
    elif log:
        made = wiring.plan_rewind(stream, log, segment)
    else:
        rows = wiring.replayers([stream])[stream].plan()
        LOGGER.info("no log was named; these are the logs of %s:", stream)
        log_rows([row._asdict() for row in rows])
        return {"logs": len(rows)}
    log_rows([made._asdict()])
    LOGGER.info(
        "%s: %s events come again, %s are passed over",
        "a dry run" if conf["dry_run"] else "done",
        made.again,
        made.skipped,
    )
    return counts(made)


def append_demo_events(params: Mapping[str, Any]) -> dict[str, Any]:
    """Generate and append a demo load."""
    from include.demo_events.config import demo_request
    from include.demo_events.pipeline import append_load

    request = demo_request(params)
    with wiring.spool_client() as client:
        return append_load(client, request, wiring.settings())


def take_in_log_files(params: Mapping[str, Any]) -> dict[str, Any]:
    """Append the lines of the chosen log files."""
    from include.log_files import config
    from include.log_files.pipeline import take_in

    request = config.intake_request(params)
    with wiring.spool_client() as client:
        return take_in(client, request, config.load())


def known_only(params: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The conf with exactly these keys; SettingsError names one that is not known."""
    from spool.errors import SettingsError

    if unknown := sorted(set(params) - set(known)):
        raise SettingsError(f"conf: unknown key {unknown[0]!r}", hint=f"known keys are {', '.join(known)}")
    return {key: params[key] for key in known}


def counts(summary: Any) -> dict[str, int]:
    """The whole numbers of a summary: what of it may go into XCom."""
    return {name: value for name, value in _named(summary).items() if type(value) is int}


def _named(summary: Any) -> dict[str, Any]:
    return summary._asdict() if hasattr(summary, "_asdict") else dict(vars(summary))
