"""Any file name that the gate accepts and any YAML value: every measurement report is in exactly one state."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from include.common.emit import no_events
from include.counts.ledger import StageLedger
from include.measurements import stage_handoffs
from include.measurements.batch_manifest import is_safe_path
from include.measurements.collect import pipeline as collecting
from include.measurements.collect.config import Collector, LocalFolder
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.places import Places
from include.measurements.publish import mirror
from include.measurements.restore.restorer import Restorer
from include.measurements.sanitize import config
from include.measurements.sanitize import pipeline as sanitizing
from include.measurements.sanitize.redrive import find, redrive
from include.measurements.state_folders import HELD_KINDS, PUBLISHABLE, StateFolders
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.measurement_state import MeasurementState
from tests.support.raw_batches import HEADER, RawBatches

# Endings and signs that mean something to one of the stages, and the longest name there is.
PARTS = st.one_of(
    st.sampled_from(
        [
            "r", "r.1", "r.2", "r.gz", "r.1.gz", "r.gz.gz", "r.reason.json", "reason.json", "r.manifest",
            "manifest.json", "b1", "taken", "0.out", "0.verdict.json", "raw", "collision", "-rf", "~", " ", "r ", "*",
            "'", '"', "%41", "CON", "\u00e9",
            "e\u0301", "\U0001f600", "r" * 255, "\u20ac" * 85, "r" * 251 + ".gz", "index.json", "1.2.3.4:8980",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20),
)  # fmt: skip
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join).filter(is_safe_path)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["probe_asn", "probe_cc", "start_time", "input_hashes", "report_id", "sanitizer", "test_version"]),
    VALUES,
    max_size=4,
)


def as_text(documents: list[object]) -> bytes:
    return yaml.dump_all(documents, Dumper=yaml.SafeDumper, explicit_start=True, explicit_end=True).encode(
        "utf-8", "surrogatepass"
    )


CONTENTS = st.one_of(
    st.builds(
        lambda header, entries: as_text([{"test_name": "tcp_connect", **header}, *entries]),
        HEADERS,
        st.lists(
            st.dictionaries(st.sampled_from(["input", "connection", "a.b", "$x"]), VALUES), min_size=1, max_size=3
        ),
    ),
    st.lists(VALUES, max_size=3).map(as_text),
    st.binary(max_size=200).map(lambda tail: HEADER.format(test="tcp_connect").encode() + b"---\n" + tail),
    st.binary(max_size=50),
)


class Chain:
    """All stages from a drop folder to the mirror, and back."""

    def __init__(self, root: Path) -> None:
        self.dropped = root / "dropped"
        self.raw = RawBatches(root / "state")
        self.state = MeasurementState(root / "state")
        self.store = MemoryMeasurements()

    def drop(self, batch: str, files: Mapping[str, bytes]) -> Counter[str]:
        """As many of the files as one file system can hold together; their paths below the batch."""
        for path, content in files.items():
            file = self.dropped / batch / path
            if any(parent.is_file() for parent in file.parents) or file.is_dir():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if files:
            (self.dropped / f"{batch}.ready").touch()
        return Counter(
            file.relative_to(self.dropped / batch).as_posix()
            for file in (self.dropped / batch).rglob("*")
            if file.is_file()
        )

    def collect(self) -> None:
        collector = Collector("north", LocalFolder(transport="drop_folder", folder=self.dropped, forget_after_days=0))
        places = Places.of(self.state.folders.root, "north")
        collecting.sync(collector, DropFolder(self.dropped), places, self.state.ledger, self.state.emit)

    def go_on(self) -> None:
        self.raw.run()
        self.state.postprocess()
        self.state.import_reports(self.store)
        self.state.publish()

    def redrive_all(self) -> int:
        reasons = {reason.name for kind in HELD_KINDS for reason in (self.state.folders.root / kind).iterdir()}
        return sum(redrive(self.state.folders, find(self.state.folders, reason), self.state.emit) for reason in reasons)

    def restore_all(self) -> None:
        folders = self.state.folders
        restorer = Restorer(
            folders, folders.root / "archive", self.store, self._sanitized,
            lambda: mirror.publish_locked(folders, self.state.ledger, self.state.emit, "Mirror"), self.state.emit,
        )  # fmt: skip
        restorer.restore_some(list(folders.originals.listed()))

    def states(self) -> Counter[str]:
        """How often each path below its batch is in a state; a redriven batch has another name."""
        found: Counter[str] = Counter()
        root = self.state.folders.root
        for state in PUBLISHABLE:
            found.update(report.split("/", 2)[2] for report in self.state.folders.reports(state))
        for held in self.state.folders.held():
            found.update([held.relative_to(root).as_posix().split("/", 4)[4]])
        return found

    def differences(self) -> list[tuple[str, int]]:
        handoffs = stage_handoffs.counts(self.state.ledger, self.state.folders, [])
        return [*self.state.open_counts(), *((row.stage, row.difference) for row in handoffs)]

    def published(self) -> set[str]:
        return {str(row["report_file"]) for row in mirror.read_index(self.state.folders.public)}

    def _sanitized(self, raw: Path, state: Path) -> str:
        state.mkdir(exist_ok=True)
        with StageLedger(state, "restore") as ledger:
            job = sanitizing.Job(
                raw=raw, folders=StateFolders(state), bridges=self.raw.bridges, settings=replace(config.load()),
                ledger=ledger, emit=no_events, on_settled=lambda report: None,
            )  # fmt: skip
            return str(sanitizing.run(job))


WHOLE = as_text([{"test_name": "tcp_connect"}, {"input": "example.org"}])
CUT = WHOLE + b"---\n'"


# Without shrinking: each example is a run of all stages, and finding a smaller one takes minutes.
@settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@example(first={"r": CUT, "r.gz/x": WHOLE, "r.1.gz/x": CUT, "r.json/x": CUT}, second={"r": b"", "r.1": WHOLE})
@example(first={"r" * 255: CUT, "r" * 254: WHOLE, "r" * 249: b""}, second={"\u20ac" * 85: CUT})
@given(
    first=st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=4),
    second=st.dictionaries(NAMES, CONTENTS, max_size=2),
)
def test_every_measurement_report_is_in_exactly_one_state(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    root = Path(tempfile.mkdtemp(prefix="one-state-"))
    chain = Chain(root)
    try:
        dropped = chain.drop("b1", first) + chain.drop("b2", second)
        chain.collect()
        assert not list(chain.dropped.rglob("*"))
        chain.go_on()
        check(chain, dropped)
        chain.redrive_all()
        chain.go_on()
        check(chain, dropped)
        chain.restore_all()
        chain.go_on()
        check(chain, dropped)
    finally:
        chain.state.ledger.close()
        shutil.rmtree(root)


def check(chain: Chain, dropped: Any) -> None:
    assert chain.states() == dropped
    assert chain.differences() == []
    assert chain.published() == set(chain.state.folders.reports("imported"))
    imported = {report["file"] for report in chain.store.reports.values()}
    assert imported == chain.published()
