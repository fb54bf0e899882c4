"""
`config/warehouse.yml` as frozen values.

Names of installations and tables become names of tables, views, files and keys of messages. So each is matched letter
by letter; what a source calls its tables and columns may be anything and is only ever quoted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from spool import config_file
from spool.config_file import Block, Each, Key, OneOf, WrongKey
from spool.errors import SettingsError

DEFAULT_FILE = Path(__file__).parents[2] / "config" / "warehouse.yml"
FORMAT_VERSION = 1
FOLDER_VARIABLE, DEFAULT_FOLDER = "SPILLWAY_WAREHOUSE", "/var/lib/spillway/warehouse"
DEFAULT_JOURNAL = Path(DEFAULT_FOLDER) / "datasync"
INSTALLATIONS_MAX = 1000
TABLES_MAX = 1000
SNAPSHOTS_MAX = 10_000

# Together with a snapshot's id below the 128 characters that Exasol allows a name.
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")
_IDENTIFIER_OR_NOTHING = re.compile(r"([a-z][a-z0-9_]{0,47})?\Z")
_WHAT = "lower-case letters, digits and _, a letter first, at most 48"
_SOURCE_NAME = re.compile(r"[^\x00`]{0,64}\Z")
_PATH = re.compile(r"(?!.*/\.\.(/|\Z))/[A-Za-z0-9_./+@-]*\Z")

Mode = Literal["snapshot", "log", "watermark"]


@dataclass(frozen=True, kw_only=True)
class DuckdbTarget(Block):
    """A folder of this machine: Parquet files and `warehouse.duckdb`, the catalog that readers open."""

    kind: Annotated[Literal["duckdb"], Key("an embedded DuckDB in `folder`")] = "duckdb"
    folder: Annotated[Path, Key("the warehouse, an absolute path", pattern=_PATH, what="an absolute path")]
    memory_mb: Annotated[int, Key("DuckDB's own memory for one load", "MB", at_least=128, at_most=1_000_000)] = 512
    threads: Annotated[int, Key("threads of one load", at_least=1, at_most=256)] = 2


@dataclass(frozen=True, kw_only=True)
class ExasolTarget(Block):
    """A database of Exasol."""

    kind: Annotated[Literal["exasol"], Key("an Exasol database")]
    connection: Annotated[str, Key("connection with its address and account", pattern=IDENTIFIER, what=_WHAT)] = (
        "exasol_warehouse"
    )
    schema: Annotated[str, Key("schema of the tables that hold the snapshots", pattern=IDENTIFIER, what=_WHAT)] = (
        "warehouse"
    )


Target = DuckdbTarget | ExasolTarget


@dataclass(frozen=True, kw_only=True)
class Policies(Block):
    """What becomes of values that a warehouse has no form for."""

    zero_dates: Annotated[
        Literal["set_null", "reject_row"],
        Key("dates that no calendar has, such as 0000-00-00: NULL, counted, or the row is rejected"),
    ] = "set_null"
    long_text: Annotated[
        Literal["reject_row", "truncate"],
        Key("text beyond what the target holds (Exasol: 2,000,000 characters): the row is rejected, or it is cut"),
    ] = "reject_row"
    wide_decimals: Annotated[
        Literal["as_text", "reject_row"],
        Key("columns of more digits than the target has: kept as text, or rows that need the digits are rejected"),
    ] = "as_text"


@dataclass(frozen=True, kw_only=True)
class Table(Policies):
    """One table, for every installation that has it."""

    mode: Annotated[
        Mode,
        Key(
            "`snapshot`: whole each time; `log`: changed rows by the binary log; `watermark`: changed rows by a column"
        ),
    ] = "snapshot"
    source: Annotated[
        str,
        Key("its name in the source; empty where it is the same", pattern=_SOURCE_NAME, what="a name"),
    ] = ""
    watermark_column: Annotated[
        str,
        Key("column that grows with each change; for mode watermark", pattern=_SOURCE_NAME, what="a name"),
    ] = ""
    overlap_s: Annotated[
        int,
        Key(
            "rows this much older than the watermark are read again; of a column of numbers, this much smaller",
            "s",
            at_least=0,
            at_most=2_592_000,
        ),
    ] = 600
    snapshots: Annotated[
        int, Key("snapshots that are kept, the current one included", at_least=1, at_most=SNAPSHOTS_MAX)
    ] = 7
    group: Annotated[
        str,
        Key(
            "tables of one group are copied from one snapshot and published together; empty for a table by itself",
            pattern=_IDENTIFIER_OR_NOTHING,
            what=_WHAT,
        ),
    ] = ""

    publish: Annotated[
        bool,
        Key("what changes in the warehouse also goes to the stream `datasync`; the table needs a primary key"),
    ] = False

    def refusals(self) -> Iterable[WrongKey]:
        if (self.mode == "watermark") != bool(self.watermark_column):
            yield WrongKey("watermark_column", "belongs to mode watermark, and mode watermark needs it")
        if self.group and self.mode != "snapshot":
            yield WrongKey("group", "belongs to mode snapshot: changes are merged for each table by itself")


@dataclass(frozen=True, kw_only=True)
class Installation(Block):
    """One installation of the software whose tables are copied."""

    connection: Annotated[
        str, Key("connection to its MariaDB; a read-only account is enough", pattern=IDENTIFIER, what=_WHAT)
    ]
    replica: Annotated[
        str,
        Key(
            "connection to a read replica that is read instead; empty if there is none",
            pattern=_IDENTIFIER_OR_NOTHING,
            what=_WHAT,
        ),
    ] = ""
    tables: Annotated[
        tuple[Annotated[str, Key(pattern=IDENTIFIER, what=_WHAT)], ...],
        Key("those of `tables` that it has; empty for all of them"),
    ] = ()


@dataclass(frozen=True)
class WarehouseFile(Block):
    """The whole of `config/warehouse.yml`."""

    target: Annotated[Target, OneOf("kind", default="duckdb"), Key("the warehouse")]
    installations: Annotated[
        Mapping[str, Installation],
        Each(IDENTIFIER, _WHAT, "installations by name", at_least=0, at_most=INSTALLATIONS_MAX),
    ]
    tables: Annotated[Mapping[str, Table], Each(IDENTIFIER, _WHAT, "tables by name", at_least=0, at_most=TABLES_MAX)]
    journal: Annotated[
        Path,
        Key("changes of published tables that are not in the stream yet", pattern=_PATH, what="an absolute path"),
    ] = DEFAULT_JOURNAL

    def refusals(self) -> Iterable[WrongKey]:
        for name, installation in self.installations.items():
            for table in installation.tables:
                if table not in self.tables:
                    yield WrongKey(
                        f"installations.{name}.tables", f"{table} is not among tables: {_listed(self.tables)}"
                    )


class Unit(NamedTuple):
    """Tables of one installation that are copied from one snapshot: one table, or the tables of a group."""

    installation: str
    tables: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.installation}/{'+'.join(self.tables)}"


@dataclass(frozen=True)
class WarehouseConfig:
    """The file, and the questions that are put to it."""

    file: WarehouseFile

    @property
    def target(self) -> Target:
        return self.file.target

    def target_of(self, kind: str, environment: Mapping[str, str] = os.environ) -> Target:
        """The target of the file, or with a kind the one of that kind; its defaults where the file has another."""
        if not kind or kind == self.target.kind:
            return self.target
        if kind == "exasol":
            return ExasolTarget(kind="exasol")
        return DuckdbTarget(folder=Path(environment.get(FOLDER_VARIABLE, DEFAULT_FOLDER)))

    def installation(self, name: str) -> Installation:
        """SettingsError names the known ones."""
        if name not in self.file.installations:
            raise SettingsError(f"unknown installation {name!a}", hint=f"known are {_listed(self.file.installations)}")
        return self.file.installations[name]

    def table(self, installation: str, name: str) -> Table:
        """A table of an installation; SettingsError names those that the installation has."""
        known = self.tables_of(installation)
        if name not in known:
            raise SettingsError(f"unknown table {name!a} of {installation}", hint=f"known are {_listed(known)}")
        return self.file.tables[name]

    def tables_of(self, installation: str) -> tuple[str, ...]:
        """Sorted names."""
        return tuple(sorted(self.installation(installation).tables or self.file.tables))

    def published(self, unit: Unit, target: str) -> tuple[str, ...]:
        """Tables of the unit whose changes go to the stream: those of the file's target, not of another one's."""
        if target != self.file.target.kind:
            return ()
        return tuple(name for name in unit.tables if self.file.tables[name].publish)

    def source_name(self, installation: str, name: str) -> str:
        """What the source calls the table."""
        return self.table(installation, name).source or name

    def units(self, installation: str = "", table: str = "") -> list[Unit]:
        """Every unit, or those of one installation or one table. SettingsError where nothing is left."""
        names = [installation] if installation else sorted(self.file.installations)
        if installation:
            self.installation(installation)
        units = [unit for name in names for unit in self._units_of(name) if not table or table in unit.tables]
        if table and not units:
            raise SettingsError(f"no installation has a table {table!a}", hint=f"known are {_listed(self.file.tables)}")
        return units

    def _units_of(self, installation: str) -> list[Unit]:
        groups: dict[str, list[str]] = {}
        for name in self.tables_of(installation):
            group = self.file.tables[name].group
            groups.setdefault(f"group {group}" if group else name, []).append(name)
        return [Unit(installation, tuple(names)) for names in groups.values()]


def load(path: Path = DEFAULT_FILE, environment: Mapping[str, str] = os.environ) -> WarehouseConfig:
    """Read and check the file; SettingsError names the file, the path of keys and the line."""
    hint = "see include/warehouse/README.md"
    return WarehouseConfig(
        config_file.load(path, WarehouseFile, version=FORMAT_VERSION, environment=environment, hint=hint)
    )


def uri_variable(connection: str) -> str:
    """The variable from which a command line takes what Airflow keeps as the connection `connection`."""
    return f"SPILLWAY_{connection.upper()}_URI"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
