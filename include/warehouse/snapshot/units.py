"""Several units, one after the other; one that fails stops none of the others and is named at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from include.warehouse.config import Unit
from include.warehouse.errors import UnitsFailed
from spool.errors import SpoolError

LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


class UnitResult(NamedTuple, Generic[T]):
    """`value` is what the work returned; with an `error` it is None."""

    unit: Unit
    value: T | None
    error: SpoolError | None


def each_unit(units: Sequence[Unit], work: Callable[[Unit], T]) -> list[UnitResult[T]]:
    """Results in the order of the units. Errors of the engine's tree are results; any other is a defect and goes on."""
    results: list[UnitResult[T]] = []
    for unit in units:
        try:
            results.append(UnitResult(unit, work(unit), None))
        except SpoolError as error:
            LOGGER.error("%s: %s: %s", unit, type(error).__name__, error)  # noqa: TRY400  it is a result
            results.append(UnitResult(unit, None, error))
    return results


def demand_all(results: Sequence[UnitResult[T]]) -> None:
    """UnitsFailed names every unit that failed, with its error."""
    failed = [f"{result.unit}: {type(result.error).__name__}: {result.error}" for result in results if result.error]
    if failed:
        raise UnitsFailed(
            f"{len(failed)} of {len(results)} units failed: {'; '.join(failed)}",
            hint="the others were published; the message of each says what to do",
        )
