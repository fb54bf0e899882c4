"""What information_schema says about a column of the source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceColumn:
    """
    name          as the source has it: any text without NUL
    data_type     DATA_TYPE, such as `decimal`; the key of the table of types
    column_type   COLUMN_TYPE, such as `decimal(12,2) unsigned`
    precision, scale     digits of numbers; 0 where it has none
    fraction      digits of the fraction of a second of moments
    characters    most characters of a text; `octets` most bytes
    charset       of texts, such as `utf8mb4`; empty for others
    """

    name: str
    data_type: str
    column_type: str
    nullable: bool
    precision: int = 0
    scale: int = 0
    fraction: int = 0
    characters: int = 0
    octets: int = 0
    charset: str = ""

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.column_type

    @property
    def is_zerofill(self) -> bool:
        return "zerofill" in self.column_type

    @property
    def quoted(self) -> str:
        """The name as MariaDB's SQL has it."""
        return quoted(self.name)


def quoted(name: str) -> str:
    """A name of the source as an identifier of MariaDB's SQL, whatever it contains."""
    return "`" + name.replace("`", "``") + "`"
