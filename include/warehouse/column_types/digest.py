"""
What a table adds up to, from the source's snapshot and from what was loaded, in one canonical form.

A part that one side cannot state is None and is not compared: Exasol holds no empty text, so it states no `present`
for text.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple


class ColumnDigest(NamedTuple):
    """
    present      values that are not NULL
    filled       text and bytes that are neither NULL nor empty
    characters   of all texts (Unicode code points) or bytes (octets) together
    sum          of exact numbers, as `exact` writes it
    least, greatest   as `exact`, `approximate` or `moment` writes them

    Sums and limits of a column without a value are None on both sides.
    """

    present: int | None = None
    filled: int | None = None
    characters: int | None = None
    sum: str | None = None
    least: str | None = None
    greatest: str | None = None


class Digest(NamedTuple):
    """Rows, and a digest for each column by its name."""

    rows: int
    columns: Mapping[str, ColumnDigest]


def differences(source: Digest, target: Digest) -> list[str]:
    """One sentence for each part that both sides state and that differs; empty when they agree."""
    sentences = (
        [] if source.rows == target.rows else [f"rows: {source.rows:,} in the source, {target.rows:,} in the target"]
    )
    for name, expected in source.columns.items():
        loaded = target.columns.get(name)
        if loaded is None:
            sentences.append(f"{name}: missing in the target")
            continue
        for part, here, there in zip(ColumnDigest._fields, expected, loaded, strict=True):
            if here != there and here is not None and there is not None:
                sentences.append(f"{name}: {part} is {here} in the source, {there} in the target")
    return sentences


def exact(value: object) -> str | None:
    """A number without leading and trailing zeros: `-12.5`, `0`, `18446744073709551615`."""
    if value is None:
        return None
    number = Decimal(int(value) if isinstance(value, bool) else str(value))
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def approximate(value: object) -> str | None:
    """A binary floating point number in its shortest exact form."""
    if value is None:
        return None
    number = float(str(value))
    return repr(0.0 if number == 0 else number)


def moment(value: object) -> str | None:
    """`2026-11-25` or `2026-11-25 09:30:00.5`: no trailing zeros of the fraction."""
    if value is None:
        return None
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
