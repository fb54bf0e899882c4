"""From the settings of a target to the target itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from include.warehouse.column_types.mapped_column import DUCKDB_LIMITS, EXASOL_LIMITS, Limits
from include.warehouse.config import DuckdbTarget, ExasolTarget, Target, uri_variable
from include.warehouse.target.port import WarehouseTarget
from spool.errors import SettingsError

OpenExasol = Callable[[ExasolTarget], WarehouseTarget]
"""Connects to the database: by Airflow's connection in a task, by a variable in a command."""


def open_target(settings: Target, exasol: OpenExasol) -> WarehouseTarget:
    """Close it when done; one that is closed has no locks."""
    if isinstance(settings, ExasolTarget):
        return exasol(settings)
    # DuckDB is imported by those who use it.
    from include.warehouse.target import duckdb_target

    assert isinstance(settings, DuckdbTarget)
    return duckdb_target.DuckdbTarget(settings.folder, memory_mb=settings.memory_mb, threads=settings.threads)


def limits_of(settings: Target) -> Limits:
    """What the target's types can hold, without a connection to it."""
    return EXASOL_LIMITS if isinstance(settings, ExasolTarget) else DUCKDB_LIMITS


def exasol_from_environment(settings: ExasolTarget, environment: Mapping[str, str] = os.environ) -> WarehouseTarget:
    """What a command line connects with; SettingsError names the variable that is missing or an option of it."""
    variable = uri_variable(settings.connection)
    # The driver is imported by those who use it.
    from include.warehouse.target import exasol_options

    if not (uri := environment.get(variable, "")):
        raise SettingsError(f"{variable} is not set", hint=exasol_options.URI_FORM)
    options = exasol_options.of_uri(uri)
    from include.warehouse.target import exasol_session, exasol_target

    return exasol_target.ExasolTarget(exasol_session.connect_to(options), schema=settings.schema)
