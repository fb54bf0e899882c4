"""Whatever goes wrong with one measurement report is a verdict on it, and costs no other."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.measurements.errors import MeasurementReportRefused
from include.measurements.machine_faults import is_machine_fault
from spool.errors import SpoolError

LOGGER = logging.getLogger(__name__)


@contextmanager
def verdict_on(report: str) -> Iterator[None]:
    """
    Turn what is raised inside into MeasurementReportRefused: `unreadable`, or `unexpected` for a bug of ours.

    Errors of the engine's tree say themselves whose fault they are (the database is away, the spool is full), and
    faults of the machine are nobody's verdict: both pass as they are.
    """
    try:
        yield
    except SpoolError:
        raise
    except OSError as error:
        if is_machine_fault(error):
            raise
        raise MeasurementReportRefused("unreadable", f"{report}: {os.strerror(error.errno or 0)}") from error
    except MemoryError:
        raise
    # The boundary of one report: the place and the kind of the error are logged, its text may hold contents.
    except Exception as error:  # noqa: BLE001
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        LOGGER.error("%s: %s", report, message)  # noqa: TRY400 - no traceback, it would show contents
        raise MeasurementReportRefused("unexpected", f"{report}: {message}") from None
