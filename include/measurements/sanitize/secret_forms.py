"""
Finds addresses and fingerprints of bridges in text, in the forms in which they are written.

    fingerprint   40 hex digits in any case, also within longer runs; in groups of 2 or 4; $FPR, $FPR~nick, $FPR=nick;
                  base64 as in Tor's documents
    IPv4          dotted, with leading zeros, with - or _ or [.] or %2E between; with its port;
                  reversed in in-addr.arpa; inside IPv6 (mapped, NAT64, 6to4)
    IPv6          every spelling that means the same address, with or without [ ] and port, %3A for the colon; ip6.arpa

What only a program could read (compressed, encrypted, an address as one integer) is not found; README.md lists it.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from include.measurements.sanitize.bridge_map import BridgeMap, IPAddress

REDACTED = "[REDACTED]"

IP_PORT = r"(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
# In running text: an address directly followed by a fingerprint is a bridge line, whatever stands around.
BRIDGE_LINE_WITHIN = re.compile(rf"(?<![0-9A-Za-z.])({IP_PORT})\s+\$?([0-9A-Fa-f]{{40}})(?![0-9A-Fa-f])")

_DOT = r"(?:\.|\[\.\]|\(\.\)|%2[eE]|[-_])"
_PORT = r"(?:(?::|%3[aA])[0-9]{1,5}(?![0-9]))?"
_V4 = re.compile(rf"(?<![0-9])(?=([0-9]{{1,3}}(?:{_DOT}[0-9]{{1,3}}){{3}})(?![0-9])(\.in-addr\.arpa)?({_PORT}))", re.I)
_V4_SPLIT = re.compile(_DOT)
_HEX_RUN = re.compile(r"[0-9A-Fa-f]{40,}")
# Looked ahead at, so that a match may begin within another: `ee 3F:78:...` after a word that ends in hex digits.
_HEX_GROUPS = re.compile(
    r"(?<![0-9A-Fa-f])(?=((?:[0-9A-Fa-f]{4}[ :-]){9}[0-9A-Fa-f]{4}|(?:[0-9A-Fa-f]{2}[ :-]){19}[0-9A-Fa-f]{2}))"
)
_NOT_HEX = str.maketrans("", "", " :-")
_NICKNAME = re.compile(r"[~=][A-Za-z0-9]{1,19}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{27,}")
# A fingerprint in base64 stands alone or in a path; longer runs are files, in which it would not stand by itself.
_BASE64_RUN_MAX = 300
_COLON = r"(?::|%3[aA])"
_V6_RUN = re.compile(rf"(?:[0-9A-Fa-f]{{0,4}}{_COLON}){{2,}}(?:[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|[0-9A-Fa-f]{{0,4}})")
_ENCODED_COLON = re.compile("%3a", re.I)
_V6_ARPA = re.compile(r"((?:[0-9a-f]\.){32})ip6\.arpa", re.I)
# An address has at most eight groups and so many colons between and around: each has two bounds.
_BOUNDS_MAX = 20
_NAT64 = int(ipaddress.IPv6Address("64:ff9b::"))


class Span(NamedTuple):
    start: int
    end: int


class Secrets:
    """What must not leave; `fingerprints` in lower case. Frozen once made."""

    def __init__(self, ips: Iterable[IPAddress], fingerprints: Iterable[str]) -> None:
        self.ips = frozenset(ips)
        self.fingerprints = frozenset(fingerprint.lower() for fingerprint in fingerprints)
        self._base64 = frozenset(base64.b64encode(bytes.fromhex(f)).decode().rstrip("=") for f in self.fingerprints)
        self._v4 = frozenset(str(ip) for ip in self.ips if ip.version == 4)
        self._v6 = frozenset(spelling for ip in self.ips for spelling in _as_v6(ip))

    @classmethod
    def of(cls, bridges: BridgeMap) -> Self:
        return cls(
            (bridge.address.ip for bridge in bridges.bridges if bridge.address),
            (bridge.fingerprint for bridge in bridges.bridges),
        )

    def with_more(self, more: Secrets) -> Secrets:
        both = Secrets((), ())
        for name in vars(both):
            setattr(both, name, getattr(self, name) | getattr(more, name))
        return both

    def redact(self, text: str) -> str:
        """`text` itself where nothing is found."""
        parts, at = [], 0
        for span in _joined(self.spans(text)):
            parts += [text[at : span.start], REDACTED]
            at = span.end
        return "".join((*parts, text[at:])) if parts else text

    def found_in(self, text: str) -> bool:
        return next(self.spans(text), None) is not None

    def spans(self, text: str) -> Iterator[Span]:
        """Where secrets stand; may overlap, in no order."""
        yield from self._fingerprints(text)
        if self._v4:
            yield from self._v4_spans(text)
        if self._v6 and (":" in text or "%3" in text):
            yield from self._v6_spans(text)
        if self._v6 and "." in text:
            yield from self._arpa_spans(text)

    def _fingerprints(self, text: str) -> Iterator[Span]:
        for run in _HEX_RUN.finditer(text):
            digits = run[0].lower()
            for at in range(len(digits) - 39):
                if digits[at : at + 40] in self.fingerprints:
                    yield _with_nickname(text, run.start() + at, run.start() + at + 40)
        for groups in _HEX_GROUPS.finditer(text):
            if groups[1].translate(_NOT_HEX).lower() in self.fingerprints:
                yield _with_nickname(text, *groups.span(1))
        for run in _BASE64.finditer(text):
            for at in self._in_run(run[0]):
                yield Span(run.start() + at, run.start() + at + 27 + text.startswith("=", run.start() + at + 27))

    def finds_v4(self, text: str) -> bool:
        return next(self._v4_spans(text), None) is not None

    def finds_v6(self, text: str) -> bool:
        return next(self._v6_spans(text), None) is not None

    def last_groups(self) -> frozenset[int]:
        """Of each secret address as IPv6 its last group that is not zero: every spelling of it shows that group."""
        return frozenset(_last_group(number) for number in self._v6)

    def finds_base64(self, run: str) -> bool:
        """Whether a run of base64 digits holds a fingerprint."""
        return next(self._in_run(run), None) is not None

    def _in_run(self, run: str) -> Iterator[int]:
        return (at for at in range(min(len(run), _BASE64_RUN_MAX) - 26) if run[at : at + 27] in self._base64)

    def _v4_spans(self, text: str) -> Iterator[Span]:
        for match in _V4.finditer(text):
            numbers = [str(int(part)) for part in _V4_SPLIT.split(match[1])]
            if ".".join(reversed(numbers) if match[2] else numbers) in self._v4:
                yield Span(match.start(), match.end(3) if match[3] else match.end(2) if match[2] else match.end(1))

    def _v6_spans(self, text: str) -> Iterator[Span]:
        for run in _V6_RUN.finditer(text):
            if "::" in run[0] or run[0].count(":") >= 6 or "%" in run[0]:
                yield from self._within(text, run)

    def _within(self, text: str, run: re.Match[str]) -> Iterator[Span]:
        colons = [m.span() for m in re.finditer(_COLON, run[0])]
        bounds = sorted({0, len(run[0])}.union(*colons))
        for number, start in enumerate(bounds):
            for end in reversed(bounds[number + 1 : number + _BOUNDS_MAX]):
                if self._is_secret_v6(run[0][start:end]):
                    yield _with_brackets(text, run.start() + start, run.start() + end)
                    break

    def _is_secret_v6(self, piece: str) -> bool:
        piece = _ENCODED_COLON.sub(":", piece)
        # The cheap half of what an address is; IPv6Address says the rest.
        if not ((piece.count("::") == 1 and ":::" not in piece) or 6 <= piece.count(":") <= 7):
            return False
        try:
            return int(ipaddress.IPv6Address(piece)) in self._v6
        except ValueError:
            return False

    def _arpa_spans(self, text: str) -> Iterator[Span]:
        for match in _V6_ARPA.finditer(text):
            if int(match[1].replace(".", "")[::-1], 16) in self._v6:
                yield Span(*match.span())


def _as_v6(ip: IPAddress) -> tuple[int, ...]:
    if ip.version == 6:
        return (int(ip),)
    return int(ip), 0xFFFF << 32 | int(ip), _NAT64 | int(ip), 0x2002 << 112 | int(ip) << 80


def _last_group(number: int) -> int:
    while number and not number & 0xFFFF:
        number >>= 16
    return number & 0xFFFF


def _with_nickname(text: str, start: int, end: int) -> Span:
    nickname = _NICKNAME.match(text, end)
    return Span(start - text.startswith("$", start - 1) if start else start, nickname.end() if nickname else end)


def _with_brackets(text: str, start: int, end: int) -> Span:
    if start and text[start - 1] == "[" and text.startswith("]", end):
        start, end = start - 1, end + 1
        if port := re.compile(r":[0-9]{1,5}(?![0-9])").match(text, end):
            end = port.end()
    return Span(start, end)


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    last: Span | None = None
    for span in sorted(spans):
        if last is None:
            last = span
        elif span.start <= last.end:
            last = Span(last.start, max(last.end, span.end))
        else:
            yield last
            last = span
    if last is not None:
        yield last
