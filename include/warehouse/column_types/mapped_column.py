"""One column of a table on its way from MariaDB into a warehouse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Kind = Literal["exact", "approximate", "moment", "text", "binary"]
"""
How a column is written and compared.

    exact         integers, decimals, booleans, years    bare digits                  sum, least, greatest
    approximate   float, double                          bare, shortest exact form    least, greatest
    moment        dates and times of day of a date       bare, ISO with a space       least, greatest
    text          text, also of types without a form     always quoted                filled, characters
    binary        bytes                                  bare hexadecimal digits      filled, characters = bytes
"""


@dataclass(frozen=True)
class MappedColumn:
    """
    name           in the target: as the source has it, unless the warehouse has a column of that name of its own
    source_type    COLUMN_TYPE of information_schema, such as `decimal(12,2) unsigned`
    value          MariaDB expression of the value that the warehouse shall hold, before it is written as CSV
    duckdb, exasol the column's type in each target
    nullable       whether the target must accept NULL: the source allows it, or a policy makes some
    rejected_if    MariaDB condition, never NULL, under which the row is not loaded; empty if there is none
    replaced_if    MariaDB condition, never NULL, under which `value` is not what the source holds (a policy); or empty
    plain          `value` without that policy; empty where it is the same
    source_name    the column's name in the source
    octets         most bytes of a text or of bytes, by the column's declaration; 0 for others
    """

    name: str
    source_type: str
    kind: Kind
    value: str
    duckdb: str
    exasol: str
    nullable: bool
    rejected_if: str = ""
    replaced_if: str = ""
    plain: str = ""
    source_name: str = ""
    octets: int = 0

    @property
    def fraction(self) -> int:
        """Digits of the fraction of a second, of a moment."""
        name, _, digits = self.exasol.rstrip(")").partition("(")
        return int(digits) if name == "TIMESTAMP" else 0

    def without_policy(self) -> MappedColumn:
        """The same where no row is rejected and no value replaced: the server does shorter expressions faster."""
        return replace(self, value=self.plain or self.value, plain="", rejected_if="", replaced_if="")


class Limits(NamedTuple):
    """
    What a target's types can hold.

    decimal_digits    of a DECIMAL: 38 in DuckDB, 36 in Exasol
    text_characters   of one text; None where there is no limit
    empty_is_null     an empty text, or no bytes, cannot be kept apart from NULL
    """

    decimal_digits: int
    text_characters: int | None = None
    empty_is_null: bool = False


DUCKDB_LIMITS = Limits(decimal_digits=38)
EXASOL_LIMITS = Limits(decimal_digits=36, text_characters=2_000_000, empty_is_null=True)
