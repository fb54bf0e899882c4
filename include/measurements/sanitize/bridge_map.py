"""
The bridges whose addresses must stay secret, by address and by fingerprint.

    {"1.2.3.4:8980": {"fingerprint": "3F78...", "distributor": "https", "transport": "obfs3"}, "[2001:db8::1]:443": ...}

What is published of a bridge is the SHA-1 of its fingerprint's bytes (the hashed fingerprint of Tor's directories).
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable
from typing import NamedTuple

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

FINGERPRINT = re.compile(r"\$?([0-9A-Fa-f]{40})\Z")
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)|([0-9A-Fa-f:.]+)):([0-9]{1,5})\Z")


class BridgeMapInvalid(ValueError):
    """The map cannot be used; says what is wrong without repeating its contents."""


class Address(NamedTuple):
    ip: IPAddress
    port: int


class Bridge(NamedTuple):
    """`address` is None for a bridge that the map knows by its fingerprint only."""

    address: Address | None
    fingerprint: str
    hashed_fingerprint: str
    distributor: str | None
    transport: str | None


class BridgeMap:
    def __init__(self, bridges: Iterable[Bridge]) -> None:
        self.bridges = tuple(bridges)
        self._by_address = {bridge.address: bridge for bridge in self.bridges if bridge.address}
        self._by_fingerprint = {bridge.fingerprint: bridge for bridge in self.bridges}
        self.hashed = frozenset(bridge.hashed_fingerprint for bridge in self.bridges)

    def find(self, address: Address | None, fingerprint: str | None) -> Bridge | None:
        """By address, else by fingerprint (any case)."""
        bridge = self._by_address.get(address) if address else None
        return bridge or (self._by_fingerprint.get(fingerprint.lower()) if fingerprint else None)


def parse_map(text: bytes) -> BridgeMap:
    """BridgeMapInvalid where it is no JSON object, is empty, or has an entry without a usable fingerprint."""
    try:
        document = json.loads(text.decode(), object_pairs_hook=_without_repeated_keys)
    except BridgeMapInvalid:
        raise
    except (ValueError, RecursionError):
        raise BridgeMapInvalid("it is not JSON") from None
    if not isinstance(document, dict) or not document:
        raise BridgeMapInvalid("it has no bridges")
    bridges = [_bridge(number, key, entry) for number, (key, entry) in enumerate(document.items(), 1)]
    addresses = [bridge.address for bridge in bridges if bridge.address]
    if len(set(addresses)) != len(addresses):
        raise BridgeMapInvalid("it has an address twice, in two spellings")
    return BridgeMap(bridges)


def parse_address(text: str) -> Address | None:
    """`1.2.3.4:80`, `[2001:db8::1]:80` or `2001:db8::1:80` with spaces around; None for anything else."""
    match = _ADDRESS.match(text.strip())
    if match is None or int(match[4]) > 65535:
        return None
    try:
        return Address(ipaddress.ip_address(match[1] or match[2] or match[3]), int(match[4]))
    except ValueError:
        return None


def hashed(fingerprint: str) -> str:
    """SHA-1 over the bytes that 40 hex digits stand for."""
    return hashlib.sha1(bytes.fromhex(fingerprint), usedforsecurity=False).hexdigest()


def _without_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """JSON keeps the last of two values of one key; the bridge of the first would be secret to nobody."""
    if len(dict(pairs)) != len(pairs):
        raise BridgeMapInvalid("it has a key twice")
    return dict(pairs)


def _bridge(number: int, key: str, entry: object) -> Bridge:
    if not isinstance(entry, dict):
        raise BridgeMapInvalid(f"entry {number} is no object")
    address, alone = parse_address(key), FINGERPRINT.match(key.strip())
    fingerprint = FINGERPRINT.match(str(entry.get("fingerprint", alone[1] if alone else "")).strip())
    if fingerprint is None or (address is None and alone is None):
        raise BridgeMapInvalid(f"entry {number} has no usable address or fingerprint")
    if alone is not None and alone[1].lower() != fingerprint[1].lower():
        raise BridgeMapInvalid(f"entry {number} has two fingerprints")
    texts = [entry.get(name) for name in ("distributor", "transport")]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise BridgeMapInvalid(f"entry {number}: distributor and transport must be text")
    return Bridge(address, fingerprint[1].lower(), hashed(fingerprint[1]), *texts)
