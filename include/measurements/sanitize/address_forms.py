"""
IP addresses of bridges in text, however they are spelled. forms.py lists the forms, each with an example.

A number that stands for the whole address may stand for other things as well; it is taken for the address only where
it equals one, which among four thousand million numbers almost never happens by chance.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from itertools import product

from include.measurements.sanitize.bridge_map import IPAddress
from include.measurements.sanitize.span import Span

# What stands before a number: no digit, or an escape whose digits are not the number's.
_BEGINS = r"(?:(?<![0-9])|(?<=[uU][0-9A-Fa-f]{4})|(?<=[xX%=][0-9A-Fa-f]{2})|(?<=\\[0-7]{3})|(?<=\\[0-7]{2}))"
_NUMBER = r"(?:0[xX][0-9A-Fa-f]{1,2}|[0-9]{1,4})"
_BETWEEN = r"(?: ?(?:\.|[\[({<](?:\.|[dD][oO][tT])[\])}>]|[dD][oO][tT]) ?|[-_,:;|/+*])"
_FOUR = re.compile(
    rf"{_BEGINS}(?=({_NUMBER})(?:{_BETWEEN})({_NUMBER})(?:{_BETWEEN})({_NUMBER})(?:{_BETWEEN})({_NUMBER})(?![0-9]))"
)
_ARPA = re.compile(r"\.in-addr\.arpa", re.I)
_PORT = re.compile(r"[:#][0-9]{1,5}(?![0-9])")
# A number that does not follow a colon is the port only if the map has it.
_KNOWN_PORT = re.compile(r"(?:[.,;/|_-]|\]:| port | )([0-9]{1,5})(?![0-9])", re.I)
_WHOLE = re.compile(
    r"(?:(?<![0-9A-Za-z])|(?<=[uU][0-9A-Fa-f]{4})|(?<=[xX%=][0-9A-Fa-f]{2}))"
    r"(?=(0[xX][0-9A-Fa-f]{1,32}|[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}|[0-9]{8,12}|[0-9]{30,39})(?![0-9A-Za-z]))"
)
_V6_RUNS = {
    mark: re.compile(rf"(?:[0-9A-Fa-f]{{0,4}}{mark}){{2,}}(?:[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|[0-9A-Fa-f]{{0,4}})")
    for mark in ":-_"
}
_RULES = {mark: re.compile(f"{mark}{{3,}}") for mark in _V6_RUNS}
_V6_ARPA = re.compile(r"((?:[0-9a-f]\.){32})(ip6\.arpa)?", re.I)
_V6_PORT = re.compile(r"(?:%[0-9A-Za-z]{1,15})?\]:[0-9]{1,5}(?![0-9])|(?:%[0-9A-Za-z]{1,15})?\]")
_V6_NAME = re.compile(r"\.ipv6-literal\.net", re.I)
# An address has at most eight groups and so many colons between and around: each has two bounds.
_BOUNDS_MAX = 20
_LOW = 0xFFFFFFFF
# Upper 96 bits of an IPv6 address that ends in an IPv4 address: compatible, mapped, translated, NAT64.
_EMBEDDING = frozenset((0, 0xFFFF, 0xFFFF0000, int(ipaddress.IPv6Address("64:ff9b::")) >> 32))
_ISATAP = frozenset((0x5EFE, 0x02005EFE))


class AddressForms:
    """Of one set of addresses and those of `beside`; `ports` are those that the map has."""

    def __init__(self, ips: Iterable[IPAddress], ports: Iterable[int] = (), beside: AddressForms | None = None) -> None:
        new = frozenset(ips)
        v4 = frozenset(int(ip) for ip in new if ip.version == 4)
        v6 = frozenset(int(ip) for ip in new if ip.version == 6)
        both_orders = v4 | {_reversed(number) for number in v4}
        dotted = frozenset(str(ipaddress.IPv4Address(number)).encode() for number in both_orders)
        self.ips: frozenset[IPAddress] = new | beside.ips if beside else new
        self.ports: frozenset[int] = frozenset(ports) | (beside.ports if beside else frozenset())
        self._v4: frozenset[int] = v4 | beside._v4 if beside else v4
        self._v6: frozenset[int] = v6 | beside._v6 if beside else v6
        self._either_order: frozenset[int] = both_orders | beside._either_order if beside else both_orders
        # As almost all are written, and groups of which each spelling as IPv6 shows one that is not zero.
        self.dotted: frozenset[bytes] = dotted | beside.dotted if beside else dotted
        self.telling_groups: frozenset[int] = _telling_groups(v4, v6) | (
            beside.telling_groups if beside else frozenset()
        )

    def spans(self, text: str) -> Iterator[Span]:
        """Where addresses stand; may overlap, in no order."""
        if self._v4:
            yield from self._four_numbers(text)
        if self.ips:
            yield from self._whole_numbers(text)
            yield from self._v6_spans(text)

    def has_v4(self, number: int) -> bool:
        """Whether the number is an address, its octets in either order."""
        return number in self._either_order

    def has_v6(self, number: int) -> bool:
        """Whether the address is a secret, or one that holds a secret IPv4 address."""
        if number in self._v6:
            return True
        low = number & _LOW
        return (
            (number >> 32 in _EMBEDDING and low in self._v4)
            or (number >> 112 == 0x2002 and number >> 80 & _LOW in self._v4)
            or (number >> 32 & _LOW in _ISATAP and low in self._v4)
            or (number >> 96 == 0x20010000 and (low ^ _LOW in self._v4 or number >> 64 & _LOW in self._v4))
        )

    def four_numbers_found(self, text: str) -> bool:
        """Whether an address stands here as four numbers."""
        return next(self._four_numbers(text), None) is not None

    def v6_found(self, text: str) -> bool:
        """Whether an address stands here as groups with colons or what stands for them."""
        return next(self._v6_spans(text), None) is not None

    def whole_number_found(self, text: str) -> bool:
        """Whether a number here is an address."""
        return next(self._whole_numbers(text), None) is not None

    def _four_numbers(self, text: str) -> Iterator[Span]:
        for match in _FOUR.finditer(text):
            if any(number in self._either_order for number in _addresses(match.groups())):
                end = match.end(4)
                arpa = _ARPA.match(text, end)
                yield Span(match.start(), self._with_port(text, arpa.end() if arpa else end))

    def _with_port(self, text: str, end: int) -> int:
        if port := _PORT.match(text, end):
            return port.end()
        port = _KNOWN_PORT.match(text, end)
        return port.end() if port and int(port[1]) in self.ports else end

    def _whole_numbers(self, text: str) -> Iterator[Span]:
        for match in _WHOLE.finditer(text):
            if any(self._is_whole(number) for number in _meanings(match[1])):
                yield Span(*match.span(1))

    def _is_whole(self, number: int) -> bool:
        return self.has_v4(number) if number <= _LOW else number in self._v6

    def _v6_spans(self, text: str) -> Iterator[Span]:
        for mark, runs in _V6_RUNS.items():
            if mark * 2 not in text and text.count(mark) < 6:
                continue
            # Three in a row are in no address; a ruled line has thousands.
            within = _RULES[mark].sub(_blanks, text) if mark * 3 in text else text
            for run in runs.finditer(within):
                if mark * 2 in run[0] or run[0].count(mark) >= 6:
                    yield from self._within(text, run, mark)
        if "." in text:
            yield from self._nibbles(text)

    def _within(self, text: str, run: re.Match[str], mark: str) -> Iterator[Span]:
        marks = [m.span() for m in re.finditer(mark, run[0])]
        bounds = sorted({0, len(run[0])}.union(*marks))
        for number, start in enumerate(bounds):
            for end in reversed(bounds[number + 1 : number + _BOUNDS_MAX]):
                if self._is_address(run[0][start:end].replace(mark, ":")):
                    yield _with_brackets(text, run.start() + start, run.start() + end)
                    break

    def _is_address(self, piece: str) -> bool:
        # The cheap half of what an address is; IPv6Address says the rest.
        if not ((piece.count("::") == 1 and ":::" not in piece) or 6 <= piece.count(":") <= 7):
            return False
        try:
            return self.has_v6(int(ipaddress.IPv6Address(piece)))
        except ValueError:
            return False

    def _nibbles(self, text: str) -> Iterator[Span]:
        for match in _V6_ARPA.finditer(text):
            if self.has_v6(int(match[1].replace(".", "")[::-1], 16)):
                yield Span(*match.span())


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _addresses(numbers: tuple[str, ...]) -> Iterator[int]:
    for octets in product(*(set(_meanings(number)) for number in numbers)):
        if max(octets) <= 255:
            yield octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]


def _meanings(number: str) -> Iterator[int]:
    """A number in text may be decimal, octal (a zero in front) or hexadecimal (0x, or letters or eight digits)."""
    if number[:2] in ("0x", "0X"):
        yield int(number, 16)
        return
    if number.isdecimal():
        yield int(number)
        if number[0] == "0" and not number.strip("01234567"):
            yield int(number, 8)
    if len(number) in (8, 32):
        yield int(number, 16)


def _reversed(number: int) -> int:
    return int.from_bytes(number.to_bytes(4, "big"), "little")


def _telling_groups(v4: frozenset[int], v6: frozenset[int]) -> frozenset[int]:
    groups = {_last_group(number) for number in v6}
    for number in v4:
        groups |= {number & 0xFFFF or number >> 16, (number & 0xFFFF) ^ 0xFFFF or (number >> 16) ^ 0xFFFF}
    return frozenset(groups)


def _last_group(number: int) -> int:
    while number and not number & 0xFFFF:
        number >>= 16
    return number & 0xFFFF


def _with_brackets(text: str, start: int, end: int) -> Span:
    if name := _V6_NAME.match(text, end):
        end = name.end()
    if start and text[start - 1] == "[" and (closing := _V6_PORT.match(text, end)):
        return Span(start - 1, closing.end())
    return Span(start, end)
