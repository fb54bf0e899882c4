"""
The redaction table. Pure: a document goes in, a new one comes out, with a note of each field that was touched.

    bridge_reachability
      bridge in the map       distributor, transport = the map's; input, bridge_hashed_fingerprint = hash;
                              bridge_address = null; learned fingerprints and descriptors gone from the logs
      bridge not in the map   the report is held; or, with the policy `hash`, distributor, bridge_address = null;
                              input, bridge_hashed_fingerprint = hash, null where the line has no fingerprint
    tcp_connect
      bridge in the map       input, bridge_hashed_fingerprint = hash
      bridge not in the map   unchanged: it is any address, unless it is a bridge line
    every other               unchanged
    header                    test_name = its canonical name; probe_ip = 127.0.0.1; report_file, sanitizer added

and then, in every string, key and byte string of every document: each form of a secret becomes [REDACTED]. A line that
describes a bridge which is not in the map is treated as under bridge_reachability, wherever it stands.
Entries of 2012 keep their fields below `report`; the table holds there too.

Raise RULES_VERSION when the output for any input changes: a report says by which rules it was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from include.measurements.sanitize.bridge_map import Address, Bridge, BridgeMap, hashed, parse_address
from include.measurements.sanitize.secret_forms import BRIDGE_LINE_WITHIN, IP_PORT, REDACTED, Secrets
from include.measurements.sanitize.secret_scan import SecretScan
from include.measurements.sanitize.yaml_document import BadDocument

RULES_VERSION = 1
NO_PROBE_IP = "127.0.0.1"
LOGS = ("tor_log", "obfsproxy_log")

UnmappedPolicy = Literal["hold", "hash"]

# What Tor logs when it meets a bridge; the second form up to the address that follows it.
_LEARNED = re.compile(
    r"(Learned fingerprint ([A-Z0-9]+)\s+for bridge (([0-9]+\.){3}[0-9]+:\d+))"
    r"|((new bridge descriptor .+?\s+at (([0-9]+\.){3}[0-9]+)))"
)
_LEARNED_V6 = re.compile(
    r"Learned fingerprint [A-Fa-f0-9]+\s+for bridge \[[0-9A-Fa-f:.]+\]:\d+"
    r"|new bridge descriptor .+?\s+at \[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]?"
)
_HASH = re.compile(r"[0-9a-f]{40}\Z")
_BRIDGE_LINE = re.compile(
    rf"\s*(?:bridge\s+)?(?:[A-Za-z][A-Za-z0-9_]*\s+)?({IP_PORT})(?:\s+\$?([0-9A-Fa-f]{{40}})(?:[~=]\w+)?)?(?:\s.*)?\Z",
    re.I | re.S,
)
_FINGERPRINT_LINE = re.compile(
    r"\s*(?:bridge\s+)?(?:[A-Za-z][A-Za-z0-9_]*\s+)?\$?([0-9A-Fa-f]{40})(?:[~=]\w+)?\s*\Z", re.I
)


class UnmappedBridge(Exception):
    """A bridge line that the map does not know, in the field at `path`, and the policy is to hold the report."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Touch(NamedTuple):
    """Rule `rule` changed the field at `path`, such as `requests.0.response.body`."""

    path: str
    rule: str


class Sanitized(NamedTuple):
    value: Any
    touches: tuple[Touch, ...]


class Line(NamedTuple):
    """What a bridge line says; either part may be missing."""

    address: Address | None
    fingerprint: str | None


def parse_line(text: object) -> Line | None:
    """`[Bridge ][transport ]IP:PORT[ fingerprint]`, or a fingerprint without the address; None for anything else."""
    if not isinstance(text, str):
        return None
    if match := _BRIDGE_LINE.match(text):
        return Line(parse_address(match[1]), match[2])
    if address := parse_address(text):
        return Line(address, None)
    match = _FINGERPRINT_LINE.match(text)
    return Line(None, match[1]) if match else None


class Rules:
    """The table for one report. `probe_ip` of its header is a secret of the whole report."""

    def __init__(self, bridges: BridgeMap, secrets: Secrets, policy: UnmappedPolicy) -> None:
        self._bridges = bridges
        self.secrets, self._scan = secrets, SecretScan(secrets)
        self._policy = policy
        self._sanitized_before = False

    def header(self, header: dict[Any, Any], test: str, report_file: str) -> Sanitized:
        """UnmappedBridge where its options hold an unknown bridge. `sanitizer` is added by whoever knows the counts."""
        touches: list[Touch] = []
        new = dict(header)
        self._sanitized_before = is_sanitized(header)
        if new["test_name"] != test:
            new["test_name"] = test
            touches.append(Touch("test_name", "test_name"))
        if (probe_ip := new.get("probe_ip")) not in (None, NO_PROBE_IP):
            self._add_probe_ip(probe_ip)
            new["probe_ip"] = NO_PROBE_IP
            touches.append(Touch("probe_ip", "probe_ip"))
        if test == "bridge_reachability":
            for path, text in _strings(new.get("options"), "options"):
                self._refuse_unmapped(parse_line(text), path)
        new = self._redact(new, "", touches)
        if not self._sanitized_before:
            new["report_file"] = report_file
        return Sanitized(new, tuple(touches))

    def entry(self, test: str, entry: dict[Any, Any]) -> Sanitized:
        """UnmappedBridge where the entry, in any field, has a line of an unknown bridge and the policy is to hold."""
        touches: list[Touch] = []
        new = self._by_test(test, entry, "", touches)
        if isinstance(nested := new.get("report"), dict):
            below = self._by_test(test, nested, "report.", touches)
            new = new if below is nested else new | {"report": below}
        return Sanitized(self._redact(new, "", touches), tuple(touches))

    def may_touch(self, text: bytes) -> bool:
        """False: no rule changes or holds a field for what stands in this text, whatever the test but one."""
        return self._scan.finds(text)

    def reads_every_entry(self, test: str) -> bool:
        """True where rules depend on fields, and not only on what stands in the text."""
        return test == "bridge_reachability"

    def _by_test(self, test: str, entry: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        if test == "bridge_reachability":
            return self._bridge_reachability(entry, prefix, touches)
        if test == "tcp_connect":
            return self._tcp_connect(entry, prefix, touches)
        return entry

    def _bridge_reachability(self, entry: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        given = [entry.get(name) for name in ("bridge_address", "input")]
        if not any(given) or self._is_hashed(entry):
            return entry
        lines = [line for text in given if (line := parse_line(text))]
        bridge = next((found for line in lines if (found := self._bridges.find(*line))), None)
        if bridge is None and self._policy == "hold":
            raise UnmappedBridge(prefix + ("bridge_address" if given[0] else "input"))
        fields = _mapped_fields(bridge) if bridge else self._unmapped_fields(lines)
        for log in LOGS:
            if isinstance(text := entry.get(log), str):
                fields[log] = _LEARNED_V6.sub(REDACTED, _LEARNED.sub(REDACTED, text))
        return _with_fields(entry, fields, prefix, "mapped_bridge" if bridge else "unmapped_bridge", touches)

    def _tcp_connect(self, entry: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        line = parse_line(entry.get("input"))
        bridge = self._bridges.find(*line) if line else None
        if bridge is None:
            return entry
        fields: dict[str, Any] = dict.fromkeys(("input", "bridge_hashed_fingerprint"), bridge.hashed_fingerprint)
        return _with_fields(entry, fields, prefix, "mapped_bridge", touches)

    def _unmapped_fields(self, lines: list[Line]) -> dict[str, Any]:
        fingerprint = next((line.fingerprint for line in lines if line.fingerprint), None)
        for line in lines:
            self._add_unmapped(line)
        hash_or_null = hashed(fingerprint) if fingerprint else None
        return {
            "distributor": None,
            "input": hash_or_null,
            "bridge_address": None,
            "bridge_hashed_fingerprint": hash_or_null,
        }

    def _is_hashed(self, entry: dict[Any, Any]) -> bool:
        """Was sanitized before, by this map or another: the input is nothing but the hash."""
        digest = entry.get("bridge_hashed_fingerprint")
        if entry.get("bridge_address") is not None or entry.get("input") != digest or not isinstance(digest, str):
            return False
        return digest in self._bridges.hashed or (self._sanitized_before and _HASH.match(digest) is not None)

    def _redact(self, value: Any, path: str, touches: list[Touch]) -> Any:
        """The same object where nothing is found in it, so that what YAML shares stays shared."""
        if isinstance(value, str):
            return self._redact_text(value, path, touches)
        if isinstance(value, bytes):
            text = value.decode("latin-1")
            new = self._redact_text(text, path, touches)
            return value if new is text else new.encode("latin-1")
        if isinstance(value, dict):
            return self._redact_mapping(value, path, touches)
        if isinstance(value, list | tuple | set):
            new_items = [self._redact(item, f"{path}.{number}", touches) for number, item in enumerate(value)]
            same = all(new is old for new, old in zip(new_items, value, strict=True))
            return value if same else type(value)(new_items)
        return value

    def _redact_mapping(self, value: dict[Any, Any], path: str, touches: list[Touch]) -> dict[Any, Any]:
        new: dict[Any, Any] = {}
        same = True
        for number, (key, item) in enumerate(value.items()):
            new_key = self._redact(key, f"{path}.(key {number})", touches)
            shown = key if new_key is key else REDACTED
            new_item = self._redact(item, f"{path}.{shown}" if path else str(shown), touches)
            same = same and new_key is key and new_item is item
            new[new_key] = new_item
        if len(new) != len(value):
            raise BadDocument("key_collision")
        return value if same else new

    def _redact_text(self, text: str, path: str, touches: list[Touch]) -> str:
        if (len(text) < MEANINGFUL_LENGTH and "::" not in text) or not self.may_touch(text.encode("utf-8", "replace")):
            return text
        for match in BRIDGE_LINE_WITHIN.finditer(text):
            self._refuse_unmapped(Line(parse_address(match[1]), match[2]), path)
        new = self.secrets.redact(text)
        if new is not text:
            touches.append(Touch(path, "secret"))
        return new

    def _refuse_unmapped(self, line: Line | None, path: str) -> None:
        if line is None or self._bridges.find(*line):
            return
        if self._policy == "hold":
            raise UnmappedBridge(path)
        self._add_unmapped(line)

    def _add_unmapped(self, line: Line) -> None:
        self._add(Secrets([line.address.ip] if line.address else [], [line.fingerprint] if line.fingerprint else []))

    def _add_probe_ip(self, probe_ip: object) -> None:
        address = parse_address(f"{probe_ip}:0") or parse_address(f"[{probe_ip}]:0")
        if address and not (address.ip.is_loopback or address.ip.is_unspecified):
            self._add(Secrets([address.ip], []))

    def _add(self, more: Secrets) -> None:
        self.secrets = self.secrets.with_more(more)
        self._scan = SecretScan(self.secrets)


# `1.2.3.4`: nothing shorter than this holds a secret, but an IPv6 address with `::`.
MEANINGFUL_LENGTH = 7


def _mapped_fields(bridge: Bridge) -> dict[str, Any]:
    return {
        "distributor": bridge.distributor,
        "transport": bridge.transport,
        "input": bridge.hashed_fingerprint,
        "bridge_address": None,
        "bridge_hashed_fingerprint": bridge.hashed_fingerprint,
    }


def _with_fields(
    entry: dict[Any, Any], fields: dict[str, Any], prefix: str, rule: str, touches: list[Touch]
) -> dict[Any, Any]:
    for name, value in fields.items():
        if name not in entry or entry[name] != value:
            touches.append(Touch(prefix + name, rule))
    return entry | fields


def is_sanitized(header: dict[Any, Any]) -> bool:
    mark = header.get("sanitizer")
    return isinstance(mark, dict) and mark.get("rules") == RULES_VERSION and isinstance(header.get("report_file"), str)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _strings(item, f"{path}.{number}")
