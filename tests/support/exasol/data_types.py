"""Exasol's types: as they are declared, as DuckDB stores them, as the protocol describes them."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from tests.support.exasol.errors import OVERFLOW, ExasolError

TEXT_MAX = 2_000_000
_TEXT = re.compile(
    r"(VARCHAR2?|NVARCHAR2?|CHAR VARYING|CHARACTER VARYING|LONG VARCHAR|CLOB|NCLOB|CHARACTER LARGE OBJECT|NCHAR|CHAR"
    r"|CHARACTER)\s*(?:\((\d+)(?: CHAR| BYTE)?\))?\s*(UTF8|ASCII|CHARACTER SET (?:UTF8|ASCII))?\Z"
)
_DECIMAL = re.compile(r"(DECIMAL|DEC|NUMERIC|NUMBER)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\Z")
_TIMESTAMP = re.compile(r"TIMESTAMP\s*(?:\((\d)\))?(\s*WITH LOCAL TIME ZONE)?\Z")
_INTEGERS = {"TINYINT": 3, "SMALLINT": 9, "SHORTINT": 9, "INT": 18, "INTEGER": 18, "BIGINT": 36}
_AS_THEY_ARE = {"BOOLEAN": "BOOLEAN", "BOOL": "BOOLEAN", "DATE": "DATE"}
_OF_DUCKDB = {
    "BOOLEAN": "BOOLEAN", "TINYINT": "DECIMAL(3,0)", "SMALLINT": "DECIMAL(9,0)", "INTEGER": "DECIMAL(10,0)",
    "UINTEGER": "DECIMAL(10,0)", "BIGINT": "DECIMAL(18,0)", "HUGEINT": "DECIMAL(36,0)", "UBIGINT": "DECIMAL(20,0)",
    "DOUBLE": "DOUBLE", "FLOAT": "DOUBLE", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP(6)", '"NULL"': "BOOLEAN",
    "TIMESTAMP_NS": "TIMESTAMP(9)",
}  # fmt: skip


def declared(text: str) -> tuple[str, str]:
    """A type of a statement -> Exasol's own name of it, and DuckDB's type. ExasolError where there is no such type."""
    wanted = re.sub(r"\s+", " ", text.strip().upper())
    if match := _TEXT.match(wanted):
        return _text_type(wanted, match), "VARCHAR"
    if match := _DECIMAL.match(wanted):
        precision, scale = int(match[2] or (36 if match[1] == "NUMBER" else 18)), int(match[3] or 0)
        return _decimal(precision, scale), _decimal(precision, scale)
    if wanted in _INTEGERS:
        return _decimal(_INTEGERS[wanted], 0), _decimal(_INTEGERS[wanted], 0)
    if re.match(r"(DOUBLE( PRECISION)?|FLOAT|REAL)(\s*\(\d+\))?\Z", wanted):
        return "DOUBLE", "DOUBLE"
    if wanted in _AS_THEY_ARE:
        return _AS_THEY_ARE[wanted], _AS_THEY_ARE[wanted]
    if match := _TIMESTAMP.match(wanted):
        digits = int(match[1] or 3)
        return f"TIMESTAMP({digits}){match[2] or ''}", "TIMESTAMP_NS" if digits > 6 else "TIMESTAMP"
    if re.match(r"(HASHTYPE|GEOMETRY|INTERVAL)", wanted):
        return wanted, "VARCHAR"
    raise ExasolError("42000", f"syntax error, unexpected data type: {wanted}")


def of_duckdb(duckdb_type: object) -> str:
    """The type of a result's column that is no column of a table."""
    name = str(duckdb_type).upper()
    if name.startswith("DECIMAL"):
        precision, scale = digits(name)
        return f"DECIMAL({min(precision, 36)},{scale})"
    return _OF_DUCKDB.get(name, f"VARCHAR({TEXT_MAX}) UTF8")


def digits(decimal: str) -> tuple[int, int]:
    """Precision and scale of `DECIMAL(p,s)`."""
    precision, scale = map(int, re.findall(r"\d+", decimal))
    return precision, scale


def described(exasol_type: str) -> dict[str, object]:
    """The object `dataType` of the protocol."""
    base, _, rest = exasol_type.partition("(")
    numbers = [int(number) for number in re.findall(r"\d+", rest)]
    if base in ("VARCHAR", "CHAR"):
        return {"type": base, "size": numbers[0], "characterSet": exasol_type.rpartition(" ")[2]}
    if base == "DECIMAL":
        return {"type": base, "precision": numbers[0], "scale": numbers[1]}
    if base == "DATE":
        return {"type": base, "size": 4}
    if base == "TIMESTAMP":
        local = "LOCAL" in exasol_type
        name = "TIMESTAMP WITH LOCAL TIME ZONE" if local else base
        return {"type": name, "withLocalTimeZone": local, "size": 16}
    return {"type": base}


def sent(value: Any, exasol_type: str) -> Any:
    """A value as the server sends it: '' is NULL, decimals without the zeros at their end."""
    if value is None or value == "":
        return None
    if exasol_type.startswith("DECIMAL"):
        return _number(value, *digits(exasol_type))
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    if isinstance(value, bool | float | str):
        return value
    return int(value) if isinstance(value, int | Decimal) else str(value)


def _number(value: Any, precision: int, scale: int) -> Any:
    number = Decimal(value)
    if number and number.adjusted() >= 36 - scale:
        raise ExasolError(OVERFLOW, "data exception - numeric value out of range")
    if scale == 0:
        return int(value) if precision <= 18 else str(int(value))
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _text_type(wanted: str, match: re.Match[str]) -> str:
    fixed = match[1] in ("CHAR", "NCHAR", "CHARACTER")
    size, longest = int(match[2] or (1 if fixed else TEXT_MAX)), 2_000 if fixed else TEXT_MAX
    if size > longest or (not match[2] and match[1] in ("VARCHAR", "VARCHAR2")):
        raise ExasolError("42000", f"maximum length or missing length for {wanted}")
    return f"{'CHAR' if fixed else 'VARCHAR'}({size}) {(match[3] or 'UTF8').split()[-1]}"


def _decimal(precision: int, scale: int) -> str:
    if precision > 36 or scale > precision:
        raise ExasolError("42000", f"illegal precision value: {precision}")
    return f"DECIMAL({precision},{scale})"
