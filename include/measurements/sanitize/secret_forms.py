"""
What must not leave, and its removal from text and bytes, in every form that forms.py lists.

Text is looked at as it is and as its escapes read (escapes.py), in windows, so that memory does not grow with what is
found. `literals` are texts that were learned from bridge lines, such as a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from include.measurements.sanitize.address_forms import AddressForms
from include.measurements.sanitize.bridge_map import Address, BridgeMap, IPAddress
from include.measurements.sanitize.escapes import views
from include.measurements.sanitize.fingerprint_forms import FingerprintForms
from include.measurements.sanitize.raw_forms import RawForms
from include.measurements.sanitize.span import Span, joined

REDACTED = "[REDACTED]"
WINDOW_CHARACTERS = 65_536
# Longer than any form: a fingerprint with marks between, of which each character is escaped twice.
FORM_CHARACTERS_MAX = 8192


class Secrets:
    """`fingerprints` in lower case. Does not change once made."""

    def __init__(
        self,
        ips: Iterable[IPAddress] = (),
        fingerprints: Iterable[str] = (),
        *,
        ports: Iterable[int] = (),
        literals: Iterable[str] = (),
        beside: Secrets | None = None,
    ) -> None:
        new_ips, new_prints = frozenset(ips), frozenset(fingerprints)
        self.addresses: AddressForms = AddressForms(new_ips, ports, beside.addresses if beside else None)
        self.prints: FingerprintForms = FingerprintForms(new_prints, beside.prints if beside else None)
        self.raw: RawForms = RawForms(new_ips, new_prints, beside.raw if beside else None)
        self.literals: frozenset[str] = frozenset(literals) | (beside.literals if beside else frozenset())

    @classmethod
    def of(cls, bridges: BridgeMap) -> Self:
        addresses = [bridge.address for bridge in bridges.bridges if bridge.address]
        fingerprints = [bridge.fingerprint for bridge in bridges.bridges]
        return cls((a.ip for a in addresses), fingerprints, ports=(a.port for a in addresses))

    @property
    def ips(self) -> frozenset[IPAddress]:
        return self.addresses.ips

    @property
    def fingerprints(self) -> frozenset[str]:
        return self.prints.fingerprints

    def with_more(self, more: Secrets) -> Secrets:
        """Both; the same object where `more` adds nothing."""
        if more.ips <= self.ips and more.fingerprints <= self.fingerprints and more.literals <= self.literals:
            return self
        return Secrets(
            more.ips - self.ips,
            more.fingerprints - self.fingerprints,
            ports=more.addresses.ports,
            literals=more.literals,
            beside=self,
        )

    def knows(self, address: Address | None, fingerprint: str | None) -> bool:
        """Whether one of the two is a secret."""
        return bool(address and address.ip in self.ips) or bool(
            fingerprint and fingerprint.lower() in self.fingerprints
        )

    def redact(self, text: str) -> str:
        """`text` itself where nothing is found."""
        parts: list[str] = []
        at = 0
        for first in range(0, len(text), WINDOW_CHARACTERS):
            window: list[str] = []
            for start, end in self._in_window(text, first):
                if end > at:
                    window += (text[at : max(at, start)], REDACTED if start >= at else "")
                    at = end
            parts.append("".join(window))
        return "".join((*parts, text[at:])) if at else text

    def redact_bytes(self, content: bytes) -> bytes:
        """`content` itself where nothing is found: as bytes, as Latin-1, as UTF-8 where it is that."""
        if not content.isascii():
            try:
                text = content.decode()
            except UnicodeDecodeError:
                pass
            else:
                redacted = self.redact(text)
                content = content if redacted is text else redacted.encode()
        text = content.decode("latin-1")
        spans = [*joined((*self.raw.spans(content), *self._all_spans(text)))]
        if not spans:
            return content
        parts: list[bytes] = []
        at = 0
        for start, end in spans:
            parts += (content[at:start], REDACTED.encode())
            at = end
        return b"".join((*parts, content[at:]))

    def found_in(self, text: str) -> bool:
        return next(self._all_spans(text), None) is not None

    def spans(self, text: str) -> Iterator[Span]:
        """Where secrets stand in a short text; may overlap, in no order."""
        for view in views(text):
            if view is None:
                yield from self._spans_as_written(text)
                continue
            for start, end in self._spans_as_written(view.text):
                yield Span(view.places[start], view.places[end])

    def _spans_as_written(self, text: str) -> Iterator[Span]:
        yield from self.addresses.spans(text)
        yield from self.prints.spans(text)
        yield from self.raw.spans_in_text(text)
        for literal in self.literals:
            at = text.find(literal)
            while at >= 0:
                yield Span(at, at + len(literal))
                at = text.find(literal, at + 1)

    def _all_spans(self, text: str) -> Iterator[Span]:
        for first in range(0, len(text), WINDOW_CHARACTERS):
            yield from self._in_window(text, first)

    def _in_window(self, text: str, first: int) -> Iterator[Span]:
        """In order. Those that begin in this window, seen with what stands around it."""
        begin = max(0, first - FORM_CHARACTERS_MAX)
        seen = text[begin : first + WINDOW_CHARACTERS + FORM_CHARACTERS_MAX]
        for start, end in joined(self.spans(seen)):
            start, end = max(first, begin + start), begin + end
            if end > first and start < first + WINDOW_CHARACTERS:
                yield Span(start, end)
