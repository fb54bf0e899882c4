"""The torture's checker sees each kind of harm; a checker that cannot fail proves nothing."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.torture.checker import Seen, judge


def payload(sequence: int, key: str = "k") -> bytes:
    return json.dumps({"key": key, "sequence": sequence}).encode()


def journal(tmp_path: Path, events: list[bytes]) -> Path:
    rows = [
        {"try": 0, "events": [["k", n, hashlib.sha256(e).hexdigest(), None] for n, e in enumerate(events)]},
        {"ok": 0, "log": "a", "ranges": [[0, len(events)]]},
    ]
    path = tmp_path / "p.journal"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"try": 1, "ev')
    return path


def seen(offset: int, data: bytes, *, group: tuple[int, int] | None = None) -> Seen:
    first, size = group or (offset, 1)
    return Seen("a", offset, first, size, 0, data)


EVENTS = [payload(0), payload(1), payload(2)]
GOOD = [seen(0, EVENTS[0]), seen(1, EVENTS[1]), seen(2, EVENTS[2])]


def test_what_is_right_is_clean(tmp_path):
    assert judge([journal(tmp_path, EVENTS)], GOOD).clean


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("missing", GOOD[:2]),
        ("doubled", [*GOOD, GOOD[2]]),
        ("changed", [GOOD[0], GOOD[1], seen(2, EVENTS[1])]),
        ("strangers", [*GOOD, seen(3, payload(9))]),
        ("out_of_order", [GOOD[1], GOOD[0], GOOD[2]]),
        ("split_groups", [GOOD[0], GOOD[1], seen(2, EVENTS[2], group=(2, 2))]),
    ],
)
def test_each_harm_is_counted(tmp_path, harm, found):
    verdict = judge([journal(tmp_path, EVENTS)], found)
    assert getattr(verdict, harm) >= 1
    assert not verdict.clean
