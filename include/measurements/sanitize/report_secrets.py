"""
What is secret in one measurement report: the bridges of the map, and what the report itself teaches.

Whatever stands beside a known half of a bridge is secret, in the whole report: an address beside a mapped fingerprint,
a fingerprint beside a mapped address, the arguments of a line, the probe's own address. It may be learned from the last
document and stand in the first; `has_grown` then asks for another pass over the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from include.measurements.sanitize.bridge_lines import Line, arguments, mentions
from include.measurements.sanitize.bridge_map import Address, Bridge, BridgeMap
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.secret_scan import SecretScan

UnmappedPolicy = Literal["hold", "hash"]


class UnmappedBridge(Exception):
    """A bridge that the map does not know, in the field at `path`, and the policy is to hold the report."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class ReportSecrets:
    """`secrets` grows; the bridges of the map stay. `scan` belongs to `secrets`."""

    def __init__(self, bridges: BridgeMap, secrets: Secrets, policy: UnmappedPolicy) -> None:
        self.bridges, self.policy = bridges, policy
        self.secrets, self.scan = secrets, SecretScan(secrets)
        self._unmapped = Secrets()
        self._aliases: dict[Address, Bridge] = {}
        self._seen_from_start = secrets

    @property
    def has_grown(self) -> bool:
        """Whether something was learned since the pass began."""
        return self.secrets is not self._seen_from_start

    def begin_pass(self) -> None:
        """From here on everything that was learned before is known from the first document on."""
        self._seen_from_start = self.secrets

    def find(self, line: Line) -> Bridge | None:
        """The mapped bridge of which the line has a half, or that was found beside such a half."""
        bridge = self.bridges.find(line.address, line.fingerprint)
        return bridge or (self._aliases.get(line.address) if line.address else None)

    def learn_beside(self, lines: Iterable[Line], bridge: Bridge | None) -> None:
        """All halves of these lines are secret; addresses are other addresses of `bridge`."""
        for line in lines:
            if line.address and bridge and self.bridges.find(line.address, None) is None:
                self._aliases.setdefault(line.address, bridge)
            self._add(line)

    def learn_addresses(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self._add(Line(address, None))

    def read(self, text: str, path: str) -> None:
        """Learn from what the text says of bridges; UnmappedBridge where the map knows none of the halves."""
        for line in mentions(text):
            bridge = self.find(line)
            if bridge is None and not self.secrets.knows(line.address, line.fingerprint):
                self.refuse_unmapped([line], path)
            self.learn_beside([line], bridge)
        literals = frozenset(arguments(text))
        if not literals <= self.secrets.literals:
            self._replace(self.secrets.with_more(Secrets(literals=literals)))

    def refuse_unmapped(self, lines: Iterable[Line], path: str) -> None:
        """Raise UnmappedBridge, or learn them, as the policy wants."""
        for line in lines:
            if self.policy == "hold":
                self._unmapped = self._unmapped.with_more(_secrets_of(line))
            else:
                self._add(line)
        if self.policy == "hold":
            raise UnmappedBridge(path)

    def stand_in(self, name: str) -> bool:
        """Whether something secret, or of an unmapped bridge, stands in the name of a file."""
        return self.secrets.found_in(name) or self._unmapped.found_in(name)

    def _add(self, line: Line) -> None:
        if not self._has_both(line):
            self._replace(self.secrets.with_more(_secrets_of(line)))

    def _has_both(self, line: Line) -> bool:
        address, fingerprint = line.address, line.fingerprint
        return (address is None or address.ip in self.secrets.ips) and (
            fingerprint is None or fingerprint.lower() in self.secrets.fingerprints
        )

    def _replace(self, secrets: Secrets) -> None:
        if secrets is not self.secrets:
            self.secrets, self.scan = secrets, SecretScan(secrets)


def _secrets_of(line: Line) -> Secrets:
    addresses = [line.address] if line.address else []
    fingerprints = [line.fingerprint] if line.fingerprint else []
    return Secrets((a.ip for a in addresses), fingerprints, ports=(a.port for a in addresses if a.port))
