"""
Where text speaks of a bridge: the line of a configuration, a message of Tor or a transport, a pair of halves.

    line       [Bridge ][transport ]IP:PORT[ fingerprint][ arguments], a whole field
    mention    in running text, within one line:
                 an address with a port and a fingerprint near one another, in either order
                 a fingerprint `at`, `@` or `for bridge` an address
                 the word bridge, then an address with a port, or a fingerprint; bridge, bridge at, then an address
                 the name of a transport, then an address with a port
    arguments  behind a line or mention: cert=, password=, ...; alone only in the shape that the transport gives them

Addresses that no bridge of the public can have, such as 127.0.0.1, make no mention.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

from include.measurements.sanitize.bridge_map import Address, IPAddress, parse_address
from include.measurements.sanitize.escapes import views
from include.measurements.sanitize.fingerprint_forms import has_fingerprint

_IP = r"(?:(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}|\[[0-9A-Fa-f:.]{2,45}\])"
_IP_PORT = rf"{_IP}:[0-9]{{1,5}}(?![0-9])"
_PRINT = r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{40}(?![0-9A-Fa-f])"
_BRIDGE = r"\bbridges?\b"
_TRANSPORTS = ("obfs2", "obfs3", "obfs4", "scramblesuit", "meek", "meek_lite", "flashproxy", "snowflake", "webtunnel")
# Where none of these stands, nor a fingerprint, there is no mention; in lower case.
_HINTS = (b"bridge", b"obfs", b"scramblesuit", b"meek", b"flashproxy", b"snowflake", b"webtunnel", b"cert=",
          b"password=", b"node-id=", b"public-key=")  # fmt: skip
_WINDOW_CHARACTERS = 65_536
# Longer than a mention, with each of its characters escaped.
_MENTION_CHARACTERS_MAX = 2048
_MENTIONS = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?P<address>{_IP_PORT})[^\n<>]{{1,60}}?(?P<print>{_PRINT})",
        rf"(?P<print>{_PRINT})[^\n<>]{{1,60}}?(?P<address>{_IP_PORT})",
        rf"(?P<print>{_PRINT})[^\n<>]{{0,40}}?(?:\bat|\bfor bridge|@)[\s'\"]?(?P<address>{_IP})",
        rf"{_BRIDGE}[^\n<>]{{0,160}}?(?P<address>{_IP_PORT})",
        rf"\bbridge (?:at |is |@ ?)?(?P<address>{_IP})(?![0-9.])",
        rf"{_BRIDGE}[^\n<>]{{0,60}}?(?P<print>{_PRINT})",
        rf"\b(?:{'|'.join(_TRANSPORTS)})\s+(?P<address>{_IP_PORT})",
    )
]
_ANY_IP_PORT = re.compile(_IP_PORT)
_LINE = re.compile(
    rf"\s*(?P<prefix>(?:bridge\s+)?(?:[A-Za-z][A-Za-z0-9_]*\s+)?)(?P<address>{_IP_PORT})"
    r"(?:\s+\$?(?P<print>[0-9A-Fa-f]{40})(?:[~=]\w+)?)?(?:\s.*)?\Z",
    re.I | re.S,
)
_PRINT_LINE = re.compile(r"\s*(?:bridge\s+)?(?:[A-Za-z][A-Za-z0-9_]*\s+)?\$?([0-9A-Fa-f]{40})(?:[~=]\w+)?\s*\Z", re.I)
_ARGUMENTS_BEHIND = re.compile(
    rf"(?:{_IP_PORT}|{_PRINT}(?:[~=]\w+)?)((?:[\s;,]+[A-Za-z][A-Za-z0-9-]{{0,30}}=[^\s;,\"'<>]+)+)"
)
_ARGUMENT = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,30})=([^\s;,\"'<>]+)")
_ALONE = re.compile(
    r"\b(?:cert=[A-Za-z0-9+/]{40,100}={0,2}|password=[A-Z2-7]{32}\b|(?:node-id|public-key)=(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40})\b)"
)
# How a transport shapes its traffic; the same for many bridges.
_PUBLIC_ARGUMENTS = frozenset(("iat-mode",))
# Shorter values would be found everywhere: they are removed together with their names.
_LITERAL_LENGTH_MIN = 8
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "255.255.255.255/32", "::1/128", "::/128", "fe80::/10",
    )
]  # fmt: skip


class Line(NamedTuple):
    """What a bridge line or a mention says; either part may be missing. `is_bridge`: it names itself one."""

    address: Address | None
    fingerprint: str | None
    is_bridge: bool = True


def parse_line(text: object) -> Line | None:
    """`[Bridge ][transport ]IP:PORT[ fingerprint]`, or a fingerprint without the address; None for anything else."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not isinstance(text, str):
        return None
    if (match := _LINE.match(text)) and (address := parse_address(match["address"])):
        words = (match["prefix"] or "").lower().split()
        is_bridge = match["print"] is not None or any(word in ("bridge", *_TRANSPORTS) for word in words)
        return Line(address, match["print"], is_bridge)
    if address := parse_address(text):
        return Line(address, None, is_bridge=False)
    match = _PRINT_LINE.match(text)
    return Line(None, match[1]) if match else None


def may_mention(content: bytes) -> bool:
    """False: neither a mention of a bridge nor an argument of one stands in these bytes of text."""
    lower = content.lower()
    return any(hint in lower for hint in _HINTS) or has_fingerprint(content)


def mentions(text: str) -> Iterator[Line]:
    """Every mention in the text and in what its escapes stand for."""
    for written in _readings(text):
        for pattern in _MENTIONS:
            for match in pattern.finditer(written):
                parts = match.groupdict()
                line = Line(public_address(parts.get("address") or ""), parts.get("print"))
                if line.address or line.fingerprint:
                    yield line


def arguments(text: str) -> Iterator[str]:
    """What identifies a bridge among the arguments of the lines and mentions in the text: literal texts."""
    for written in _readings(text):
        for behind in _ARGUMENTS_BEHIND.finditer(written):
            yield from _literals(behind[1])
        for alone in _ALONE.finditer(written):
            yield from _literals(alone[0])


def public_addresses(text: str) -> Iterator[Address]:
    """Every address with a port that a bridge may have."""
    for match in _ANY_IP_PORT.finditer(text):
        if address := public_address(match[0]):
            yield address


def public_address(text: str) -> Address | None:
    """Of `IP:PORT`, or of `IP` with port 0; None where no bridge of the public can be there."""
    address = parse_address(text) or parse_address(f"{text}:0")
    return address if address and is_public(address.ip) else None


def is_public(ip: IPAddress) -> bool:
    """Addresses for documentation are public: examples shall behave like what they are examples of."""
    return not any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)


def _readings(text: str) -> Iterator[str]:
    for first in range(0, len(text), _WINDOW_CHARACTERS):
        window = text[max(0, first - _MENTION_CHARACTERS_MAX) : first + _WINDOW_CHARACTERS + _MENTION_CHARACTERS_MAX]
        yield from (window if view is None else view.text for view in views(window))


def _literals(written: str) -> Iterator[str]:
    for name, value in _ARGUMENT.findall(written):
        if name.lower() not in _PUBLIC_ARGUMENTS:
            yield value if len(value) >= _LITERAL_LENGTH_MIN else f"{name}={value}"
