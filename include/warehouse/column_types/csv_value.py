"""How MariaDB writes one value as CSV, and how Python does the same where the server cannot."""

from __future__ import annotations

from include.warehouse.column_types.mapped_column import MappedColumn


def csv_expression(column: MappedColumn) -> str:
    """
    MariaDB expression of the value's CSV. NULL only where a function exceeded max_allowed_packet.

    So NULL of the column is asked for by itself, and never stands in for a function's NULL.
    """
    value = column.value
    if column.kind == "text":
        return f"""IF({value} IS NULL, '', CONCAT('"', REPLACE({value}, '"', '""'), '"'))"""
    if column.kind == "binary":
        return f"""IF({value} IS NULL, '', IF(LENGTH({value}) = 0, '""', HEX({value})))"""
    return f"IFNULL({value}, '')"


def csv_bytes(column: MappedColumn, value: bytes | None) -> bytes:
    """The same for a value that was selected by itself (`column.value`) and came as the server's bytes."""
    if value is None:
        return b""
    if column.kind == "text":
        return b'"' + value.replace(b'"', b'""') + b'"'
    if column.kind == "binary":
        return value.hex().upper().encode() if value else b'""'
    return value
