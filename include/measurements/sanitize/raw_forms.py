"""
Addresses and fingerprints as the bytes they are: in packets, in binary bodies, in text that was bytes once.

Four bytes that all are printable may be a word, so they count only where a packet has its addresses. Four others are
an address by chance once in 4,294,967,296 places for each bridge.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from include.measurements.sanitize.bridge_map import IPAddress
from include.measurements.sanitize.fingerprint_forms import has_any_four
from include.measurements.sanitize.span import Span

_PRINTABLE = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r")
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Of an IPv4 packet: version 4 and at least five words of header; the source, then the destination.
_HEADER_BYTES = 20
_HEADER_ADDRESSES = (12, 16)


class RawForms:
    """Of one set of secrets and those of `beside`."""

    def __init__(self, ips: Iterable[IPAddress], fingerprints: Iterable[str], beside: RawForms | None = None) -> None:
        by_start: dict[bytes, tuple[bytes, ...]] = dict(beside._by_start) if beside else {}
        for secret in {*(ip.packed for ip in ips), *map(bytes.fromhex, fingerprints)}:
            by_start[secret[:4]] = (*by_start.get(secret[:4], ()), secret)
        self._by_start: dict[bytes, tuple[bytes, ...]] = by_start
        self._first_four = frozenset(int.from_bytes(start, sys.byteorder) for start in by_start)

    def may_be_in(self, content: bytes) -> bool:
        """False: nothing is found in these bytes; some 30 ns for each of them."""
        return has_any_four(content, self._first_four)

    def spans(self, content: bytes) -> Iterator[Span]:
        """Where secrets stand; may overlap, in no order."""
        if not self.may_be_in(content):
            return
        for at in range(len(content) - 3):
            for secret in self._by_start.get(content[at : at + 4], ()):
                if content.startswith(secret, at) and (len(secret) > 4 or _is_address(content, at)):
                    yield Span(at, at + len(secret))

    def spans_in_text(self, text: str) -> Iterator[Span]:
        """The same in text whose characters are bytes; text without control characters is text."""
        return self.spans(text.encode("latin-1", "replace")) if CONTROLS.search(text) else iter(())


def _is_address(content: bytes, at: int) -> bool:
    if not _PRINTABLE.issuperset(content[at : at + 4]):
        return True
    return at in _HEADER_ADDRESSES and len(content) >= _HEADER_BYTES and 0x45 <= content[0] <= 0x4F
