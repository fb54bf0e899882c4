"""
The redaction table. Pure: a document goes in, a new one comes out, with a note of each field that was touched.

    bridge_reachability
      bridge in the map       distributor, transport = the map's; input, bridge_hashed_fingerprint = hash;
                              bridge_address = null; learned fingerprints and descriptors gone from the logs
      bridge not in the map   the report is held; or, with the policy `hash`, distributor, bridge_address = null;
                              input, bridge_hashed_fingerprint = hash, null where the line has no fingerprint
      its logs                every public address with a port is a bridge's
    tcp_connect
      bridge in the map       input, bridge_hashed_fingerprint = hash
      a bridge line           as under bridge_reachability
      any other address       unchanged: it is what the test measures
    every other               unchanged
    header                    test_name = its canonical name; report_file, sanitizer added
    wherever it stands        probe_ip = 127.0.0.1, and then secret; one that is not understood holds the report

and then, in every string, key, byte string and integer of every document: each form of a secret becomes [REDACTED]. A
mention of a bridge that is not in the map is treated as under bridge_reachability, wherever it stands; what stands
beside a known half of a bridge is secret too (report_secrets.py). Entries of 2012 keep their fields below `report`; the
table holds there too. A second header within a file is treated as a header.

Nothing that a file says of itself decides what is redacted. A mark of an earlier sanitizing only carries its counts on.

Raise RULES_VERSION when the output for any input changes: a report says by which rules it was made.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from include.measurements.sanitize.bridge_lines import Line, parse_line, public_addresses
from include.measurements.sanitize.bridge_map import Bridge, hashed, parse_address
from include.measurements.sanitize.redaction import Redaction, Touch
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.secret_forms import REDACTED

RULES_VERSION = 2
NO_PROBE_IP = "127.0.0.1"
LOGS = ("tor_log", "obfsproxy_log")
BAD_DOCUMENTS_MAX = 10_000_000

# What Tor logs when it meets a bridge; the second form up to the address that follows it.
_LEARNED = re.compile(
    r"(Learned fingerprint ([A-Z0-9]+)\s+for bridge (([0-9]+\.){3}[0-9]+:\d+))"
    r"|((new bridge descriptor .+?\s+at (([0-9]+\.){3}[0-9]+)))"
)
_LEARNED_V6 = re.compile(
    r"Learned fingerprint [A-Fa-f0-9]+\s+for bridge \[[0-9A-Fa-f:.]+\]:\d+"
    r"|new bridge descriptor .+?\s+at \[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]?"
)
# Fields of headers only, of which an entry that is no header may have one by chance.
_HEADER_FIELDS = ("probe_asn", "probe_cc", "probe_ip", "software_name", "software_version", "test_version",
                  "input_hashes", "options")  # fmt: skip
_ENTRY_FIELDS = ("input", "report", "test_keys")
_NO_ADDRESS = frozenset(("", "none", "null", "unknown", "n/a", "-", REDACTED.lower()))
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


class NotUnderstood(Exception):
    """The field at `path` may hold a secret in a way that no rule covers: the report is held."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Sanitized(NamedTuple):
    value: Any
    touches: tuple[Touch, ...]


class Mark(NamedTuple):
    """What an earlier sanitizing wrote into the header."""

    bad_documents: int
    truncated: bool


class Rules:
    """The table for one measurement report."""

    def __init__(self, secrets: ReportSecrets) -> None:
        self.known = secrets
        self._redaction = Redaction(secrets)

    def header(self, header: dict[Any, Any], test: str, report_file: str) -> Sanitized:
        """
        UnmappedBridge where its options hold an unknown bridge; NotUnderstood. `sanitizer` is left out: the caller
        knows the counts and adds it.
        """
        touches: list[Touch] = []
        new = dict(header)
        if new["test_name"] != test:
            new["test_name"] = test
            touches.append(Touch("test_name", "test_name"))
        new = self._without_probe_ip(new, "", touches)
        if test == "bridge_reachability":
            for path, text in self._redaction.strings(new.get("options"), "options"):
                self._refuse_unmapped(text, path)
        mark = mark_of(header)
        new.pop("sanitizer", None)
        new = self._redaction.redact(new, "", touches)
        if mark is None and report_file:
            new["report_file"] = report_file
        return Sanitized(new, tuple(touches))

    def entry(self, test: str, entry: dict[Any, Any]) -> Sanitized:
        """UnmappedBridge where it speaks of an unknown bridge and the policy is to hold; NotUnderstood."""
        touches: list[Touch] = []
        new = self._by_test(test, self._without_probe_ip(entry, "", touches), "", touches)
        if isinstance(nested := new.get("report"), dict):
            below = self._by_test(test, self._without_probe_ip(nested, "report.", touches), "report.", touches)
            new = new if below is nested else new | {"report": below}
        return Sanitized(self._redaction.redact(new, "", touches), tuple(touches))

    def may_touch(self, text: bytes) -> bool:
        """False: no rule changes or holds a field for what stands in this text, whatever the test but one."""
        return self._redaction.may_touch(text)

    def may_touch_bytes(self, content: bytes) -> bool:
        """The same for a byte string."""
        return self.known.scan.finds_in_bytes(content) or self._redaction.may_touch(content)

    def found_in_source(self, content: bytes) -> bool:
        """Whether a secret stands in the text of a document, in its values or beside them."""
        return self.known.scan.finds_in_text(text := content.decode("utf-8", "replace")) and (
            self.known.secrets.found_in(text)
        )

    def reads_every_entry(self, test: str) -> bool:
        """True where rules depend on fields, or on texts that may be broken between lines."""
        return test == "bridge_reachability" or bool(self.known.secrets.literals)

    def _by_test(self, test: str, entry: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        if test == "bridge_reachability":
            return self._bridge_reachability(entry, prefix, touches)
        if test == "tcp_connect":
            return self._tcp_connect(entry, prefix, touches)
        return entry

    def _bridge_reachability(self, entry: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        given = [entry.get(name) for name in ("bridge_address", "input")]
        if not any(given) or self._is_hashed(entry):
            self._read_logs(entry, prefix, None)
            return entry
        lines = [line for text in given if (line := parse_line(text))]
        bridge = next((mapped for line in lines if (mapped := self.known.find(line))), None)
        if bridge is None:
            self.known.refuse_unmapped(lines, prefix + ("bridge_address" if given[0] else "input"))
        self._learn(lines, bridge, given)
        self._read_logs(entry, prefix, bridge)
        fields = _mapped_fields(bridge) if bridge else _unmapped_fields(lines)
        for log in LOGS:
            if isinstance(text := entry.get(log), str):
                fields[log] = _LEARNED_V6.sub(REDACTED, _LEARNED.sub(REDACTED, text))
        return _with_fields(entry, fields, prefix, "mapped_bridge" if bridge else "unmapped_bridge", touches)

    def _tcp_connect(self, entry: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        line = parse_line(entry.get("input"))
        bridge = self.known.find(line) if line else None
        if line is None or (bridge is None and not line.is_bridge) or self._is_hashed(entry):
            return entry
        if bridge is None and not self.known.secrets.knows(line.address, line.fingerprint):
            self.known.refuse_unmapped([line], prefix + "input")
        self._learn([line], bridge, [entry.get("input")])
        digest = bridge.hashed_fingerprint if bridge else _unmapped_fields([line])["input"]
        fields: dict[str, Any] = dict.fromkeys(("input", "bridge_hashed_fingerprint"), digest)
        return _with_fields(entry, fields, prefix, "mapped_bridge" if bridge else "unmapped_bridge", touches)

    def _learn(self, lines: list[Line], bridge: Bridge | None, given: list[Any]) -> None:
        self.known.learn_beside(lines, bridge)
        for text in given:
            if isinstance(text, str):
                self.known.read(text, "input")

    def _read_logs(self, entry: dict[Any, Any], prefix: str, bridge: Bridge | None) -> None:
        """A transport connects to bridges only, and so does Tor where it uses them."""
        for log in LOGS:
            text = entry.get(log)
            if not isinstance(text, str | bytes):
                continue
            text = text if isinstance(text, str) else text.decode("latin-1")
            lines = [Line(address, None) for address in public_addresses(text)]
            unknown = [line for line in lines if not self.known.secrets.knows(line.address, None)]
            if unknown and bridge is None:
                self.known.refuse_unmapped(unknown, prefix + log)
            self.known.learn_beside(unknown, bridge)

    def _is_hashed(self, entry: dict[Any, Any]) -> bool:
        """Was sanitized before: the input is nothing but the hash of a bridge of the map."""
        digest = entry.get("bridge_hashed_fingerprint")
        if entry.get("bridge_address") is not None or entry.get("input") != digest or not isinstance(digest, str):
            return False
        return digest in self.known.bridges.hashed

    def _without_probe_ip(self, fields: dict[Any, Any], prefix: str, touches: list[Touch]) -> dict[Any, Any]:
        if any(name != "probe_ip" and _letters(name) == "probeip" for name in fields):
            raise NotUnderstood(prefix + "(a name like probe_ip)")
        probe_ip = fields.get("probe_ip")
        if probe_ip is None or probe_ip == NO_PROBE_IP:
            return fields
        text = probe_ip.decode("latin-1") if isinstance(probe_ip, bytes) else probe_ip
        if not isinstance(text, str):
            raise NotUnderstood(prefix + "probe_ip")
        if text.strip().lower() in _NO_ADDRESS:
            return fields
        address = parse_address(f"{text.strip()}:0") or parse_address(f"[{text.strip()}]:0") or parse_address(text)
        if address is None:
            raise NotUnderstood(prefix + "probe_ip")
        if not (address.ip.is_loopback or address.ip.is_unspecified):
            self.known.learn_addresses([address._replace(port=0)])
        touches.append(Touch(prefix + "probe_ip", "probe_ip"))
        return fields | {"probe_ip": NO_PROBE_IP}

    def _refuse_unmapped(self, text: str, path: str) -> None:
        line = parse_line(text)
        if line is None:
            return
        bridge = self.known.find(line)
        if bridge is None:
            self.known.refuse_unmapped([line], path)
        self.known.learn_beside([line], bridge)


def is_header(document: dict[Any, Any]) -> bool:
    """Whether a document after the first is the header of another report in the same file."""
    if not isinstance(document.get("test_name"), str) or any(name in document for name in _ENTRY_FIELDS):
        return False
    return has_header_fields(document)


def has_header_fields(document: dict[Any, Any]) -> bool:
    """Whether a document of these keys may be a header, depending on their values."""
    return "test_name" in document and sum(name in document for name in _HEADER_FIELDS) >= 2


def mark_of(header: dict[Any, Any]) -> Mark | None:
    """The mark of a sanitizing by these rules; None for anything that we would not have written."""
    mark, report_file = header.get("sanitizer"), header.get("report_file")
    if not isinstance(mark, dict) or mark.keys() != {"bad_documents", "rules", "truncated"}:
        return None
    bad, truncated = mark["bad_documents"], mark["truncated"]
    if mark["rules"] != RULES_VERSION or type(bad) is not int or not 0 <= bad <= BAD_DOCUMENTS_MAX:
        return None
    if type(truncated) is not bool or not isinstance(report_file, str) or not _is_report_path(report_file):
        return None
    return Mark(bad, truncated)


def _is_report_path(path: str) -> bool:
    """As batch_manifest.is_safe_path has it, which the sandbox does not see."""
    parts = path.split("/")
    return path.isprintable() and len(path) <= 4096 and not any(part in ("", ".", "..") for part in parts)


def _mapped_fields(bridge: Bridge) -> dict[str, Any]:
    return {
        "distributor": bridge.distributor,
        "transport": bridge.transport,
        "input": bridge.hashed_fingerprint,
        "bridge_address": None,
        "bridge_hashed_fingerprint": bridge.hashed_fingerprint,
    }


def _unmapped_fields(lines: list[Line]) -> dict[str, Any]:
    fingerprint = next((line.fingerprint for line in lines if line.fingerprint), None)
    hash_or_null = hashed(fingerprint) if fingerprint else None
    return {
        "distributor": None,
        "input": hash_or_null,
        "bridge_address": None,
        "bridge_hashed_fingerprint": hash_or_null,
    }


def _with_fields(
    entry: dict[Any, Any], fields: dict[str, Any], prefix: str, rule: str, touches: list[Touch]
) -> dict[Any, Any]:
    for name, value in fields.items():
        if name not in entry or entry[name] != value:
            touches.append(Touch(prefix + name, rule))
    return entry | fields


def _letters(name: object) -> str:
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return _BETWEEN_WORDS.sub("", text.lower()) if isinstance(text, str) else ""
