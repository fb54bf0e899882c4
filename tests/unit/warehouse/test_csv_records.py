"""Records of CSV, whatever pieces it comes in."""

from __future__ import annotations

import random

import pytest

from include.warehouse.datasync.csv_records import CsvRecords, Record

TEXT = b'1,"a ""quoted"", text\nof two lines",\n2,"",00FF\n3,"\xc3\xbc",""\n,"""",-1.5\n'
RECORDS: list[Record] = [
    ("1", 'a "quoted", text\nof two lines', None),
    ("2", "", "00FF"),
    ("3", "ü", ""),
    (None, '"', "-1.5"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, len(TEXT)])
def test_pieces_may_end_anywhere_and_null_stays_apart_from_an_empty_text(size: int) -> None:
    records = CsvRecords()
    taken = [record for at in range(0, len(TEXT), size) for record in records.take(TEXT[at : at + size])]
    assert taken == RECORDS


def test_what_is_written_is_read_again() -> None:
    chance = random.Random(3)
    rows = [tuple("".join(chance.choices('a",\n ü', k=chance.randrange(6))) for _ in range(3)) for _ in range(300)]
    data = "".join(",".join('"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in rows).encode()
    records, taken, at = CsvRecords(), [], 0
    while at < len(data):
        size = chance.randrange(1, 40)
        taken += records.take(data[at : at + size])
        at += size
    assert taken == rows
