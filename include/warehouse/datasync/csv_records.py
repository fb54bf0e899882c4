"""Records of the warehouse's CSV (target/port.py says which), from pieces of any size."""

from __future__ import annotations

import re

Record = tuple[str | None, ...]

# The end of a value belongs to it: without one, more may follow. Possessive, so that a half text fails at once.
_VALUE = re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^",\n]*+))([,\n])')


class CsvRecords:
    """Takes pieces, gives the records that are complete. NULL is None; what stood in quotes is without them."""

    def __init__(self) -> None:
        self._rest = b""
        self._values: list[str | None] = []

    def take(self, piece: bytes) -> list[Record]:
        """The records that end in this piece. ValueError for what is no UTF-8."""
        data, position = self._rest + piece, 0
        records: list[Record] = []
        while match := _VALUE.match(data, position):
            quoted, bare, end = match.groups()
            self._values.append(_text(quoted, bare))
            position = match.end()
            if end == b"\n":
                records.append(tuple(self._values))
                self._values.clear()
        self._rest = data[position:]
        return records


def _text(quoted: bytes | None, bare: bytes | None) -> str | None:
    if quoted is not None:
        return quoted.replace(b'""', b'"').decode()
    return bare.decode() if bare else None
