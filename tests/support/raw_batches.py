"""A state folder with batches in raw as the collectors leave them, and what became of each report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from include.counts.ledger import StageLedger
from include.counts.stage_count import StageCount
from include.measurements import batch_manifest
from include.measurements.sanitize import config, pipeline
from include.measurements.sanitize.bridge_map import parse_map
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.settle import Report
from include.measurements.state_folders import StateFolders

FINGERPRINT = "3F786850E387550FDAB836ED7E6DC881DE23001B"
HASHED = "5f702e8a307c5030f5fd4d560a8a25126039cc24"
BRIDGE_MAP = {"1.2.3.4:8980": {"fingerprint": FINGERPRINT, "distributor": "https", "transport": "obfs3"}}
SECRETS = ("1.2.3.4", FINGERPRINT, FINGERPRINT.lower())

_FORMS = Secrets.of(parse_map(json.dumps(BRIDGE_MAP).encode()))
HEADER = """---
options: [-f, bridges.txt]
probe_asn: AS3269
probe_cc: IT
probe_ip: 127.0.0.1
start_time: 1407420650.5
test_name: {test}
...
"""


def report(*entries: str, test: str = "tcp_connect") -> bytes:
    return (HEADER.format(test=test) + "".join(f"---\n{entry}\n...\n" for entry in entries)).encode()


def holds_secret(content: bytes) -> bool:
    """Whether a secret of BRIDGE_MAP stands there, plainly or in one of its forms."""
    plain = any(secret.encode() in content for secret in SECRETS)
    return plain or _FORMS.redact_bytes(content) is not content


@dataclass
class RawBatches:
    """`state` is the folder of states; `settled` and `events` gather over all runs in this process."""

    state: Path
    settled: list[Report] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.folders = StateFolders(self.state)
        self.bridges = self.state.parent / "bridges.json"
        if not self.bridges.exists():
            self.bridges.write_text(json.dumps(BRIDGE_MAP))

    def drop(self, batch: str, files: Mapping[str, bytes]) -> None:
        """`batch` is `<collector>/<name>`."""
        folder = self.state / "raw" / batch
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        manifest = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        folder.with_name(folder.name + ".manifest").write_text(batch_manifest.encode(manifest))

    def run(
        self, change: Callable[[pipeline.Job], pipeline.Job] = lambda job: job, **settings: Any
    ) -> pipeline.RunSummary:
        with StageLedger(self.state, "test") as ledger:
            job = pipeline.Job(
                raw=self.state / "raw",
                folders=self.folders,
                bridges=self.bridges,
                settings=replace(config.load(), **settings),
                ledger=ledger,
                emit=lambda event: self.events.append((event.type, event.event_key())),
                on_settled=self.settled.append,
            )
            return pipeline.run(change(job))

    def places(self) -> dict[str, list[str]]:
        """Report name to the states that it is in; the archive is no state."""
        found: dict[str, list[str]] = {}
        for state in ("raw", "staging", "reports", "imported", "quarantine", "errored"):
            for file in sorted((self.state / state).rglob("*")):
                parts = file.relative_to(self.state / state).parts
                if file.is_dir() or file.name.endswith(".manifest") or file.name.startswith("."):
                    continue
                held = state in ("quarantine", "errored")
                name = "/".join(parts[1:] if held else parts)
                found.setdefault(name, []).append(f"{state}/{parts[0]}" if held else state)
        return found

    def staged(self, name: str) -> bytes:
        return (self.state / "staging" / name).read_bytes()

    def counts(self) -> StageCount:
        with StageLedger(self.state, "test") as ledger:
            [count] = ledger.counts()
        return count

    def leaked(self, *folders: str) -> list[str]:
        """Files below these folders in which a secret stands, in whatever form it is found."""
        return [
            str(file)
            for folder in folders
            for file in (self.state / folder).rglob("*")
            if file.is_file() and holds_secret(file.read_bytes())
        ]
