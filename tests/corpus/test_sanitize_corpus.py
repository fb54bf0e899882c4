"""
Real and damaged reports of the corpora, all in one run. Skips where the corpora are missing.

SPILLWAY_CORPORA names their folder; otherwise ../shared/corpora beside the project is looked for.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from include.measurements import batch_manifest
from include.measurements.sanitize.slicing import slices
from include.measurements.sanitize.yaml_document import BadDocument, DocumentLimits, load
from include.measurements.sanitize.yaml_output import equal
from tests.support.raw_batches import RawBatches, holds_secret

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("SPILLWAY_CORPORA", ROOT.parent / "shared" / "corpora")) / "ooni_reports"

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"the corpora are missing: no {CORPORA}")

SECRETS = (b"1.2.3.4", b"3F786850E387550FDAB836ED7E6DC881DE23001B", b"3f786850e387550fdab836ed7e6dc881de23001b")
FILES = sorted(
    file
    for file in CORPORA.rglob("*")
    if file.suffix in (".yamloo", ".yaml", ".yamlooni") and file.parent.name != "python_tags"
)

# What EXPECT.json says, in our words: status, reason, documents (header included), bad ones, truncated.
MALFORMED = {
    "01_tor_log_leak.yamloo": ("sanitized", "", 2, 0, False),
    "03_tcp_connect_mapped.yamloo": ("sanitized", "", 2, 0, False),
    "04_input_trailing_newline.yamloo": ("sanitized", "", 2, 0, False),
    "05_truncated_last_entry.yamloo": ("sanitized", "", 2, 1, True),
    "06_no_leading_dashes.yamloo": ("errored", "failed", 0, 1, False),
    "07_duplicate_trailer_null_docs.yamloo": ("sanitized", "", 2, 0, False),
    "09_python_object_tag.yamloo": ("sanitized", "", 2, 1, False),
    "10_binary_and_bytes.yamloo": ("sanitized", "", 2, 0, False),
    "12_dotted_and_dollar_keys.yamloo": ("sanitized", "", 2, 0, False),
    "14_unknown_test_name.yamloo": ("quarantined", "unknown_test", 0, 0, False),
    "15_header_only.yamloo": ("errored", "empty", 1, 0, False),
    "16_empty_file.yamloo": ("errored", "empty", 0, 0, False),
    "17_missing_test_name.yamloo": ("errored", "failed", 0, 0, False),
    "19_null_probe_cc.yamloo": ("sanitized", "", 2, 0, False),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RawBatches, dict[str, dict], bytes]:
    """The command line over everything at once: state folders, what it said of each report, all it printed."""
    raw = RawBatches(tmp_path_factory.mktemp("corpus") / "state")
    shutil.copy(CORPORA / "malformed" / "bridge_db.json", raw.bridges)
    for batch in ("malformed", "extracted_from_docs", "fastpath_yaml", "python_tags"):
        folder = raw.state / "raw/corpus" / batch
        folder.mkdir(parents=True)
        for file in (CORPORA / batch).iterdir():
            if file.suffix in (".yamloo", ".yaml", ".yamlooni"):
                (folder / file.name).write_bytes(file.read_bytes())
        folder.with_name(f"{batch}.manifest").write_text(batch_manifest.encode(batch_manifest.hashed(folder)))
    command = [sys.executable, "-m", "include.measurements.sanitize", "run", "--json"]
    command += ["--input", str(raw.state / "raw"), "--state", str(raw.state), "--bridges", str(raw.bridges)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    return raw, {one["file"].removeprefix("corpus/"): one for one in told}, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_report_ends_as_expected(run: tuple, name: str) -> None:
    _, told, _ = run
    one = told[f"malformed/{name}"]
    assert (one["status"], one["reason"], one["documents"], one["bad"], one["truncated"]) == MALFORMED[name]


def test_every_malformed_report_has_an_expectation_and_is_the_one_that_was_described() -> None:
    expected = json.loads((CORPORA / "malformed" / "EXPECT.json").read_text())
    assert set(MALFORMED) == set(expected)
    for name, what in expected.items():
        assert hashlib.sha256((CORPORA / "malformed" / name).read_bytes()).hexdigest() == what["sha256"]


def test_every_report_is_in_exactly_one_state(run: tuple) -> None:
    raw, told, _ = run
    places = raw.places()
    assert {name.removeprefix("corpus/") for name in places} == set(told)
    assert all(len(states) == 1 for states in places.values())
    assert raw.counts().difference == 0


def test_no_secret_of_the_map_is_in_any_output_or_in_what_was_printed(run: tuple) -> None:
    raw, _, printed = run
    outputs = [f for folder in ("staging", "bad_documents") for f in (raw.state / folder).rglob("*") if f.is_file()]
    outputs += [*raw.state.rglob("reason.json"), raw.state / "stage_ledger.sqlite"]
    assert [file for file in outputs if holds_secret(file.read_bytes())] == []
    assert not holds_secret(printed)


def test_python_tags_execute_nothing(run: tuple) -> None:
    _, told, _ = run
    tagged = [one for name, one in told.items() if name.startswith("python_tags/")]
    assert [one["status"] for one in tagged] == ["errored"] * 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_document_has_csafeloaders_value_or_csafeloader_refuses_it_too(file: Path) -> None:
    for piece in slices(io.BytesIO(file.read_bytes()), 16_000_000):
        if piece.kind != "document":
            continue
        try:
            value = load(piece.content, DocumentLimits())
        except BadDocument as bad:
            # Keys given twice are the one thing that CSafeLoader takes and we do not.
            if bad.reason != "duplicate_key":
                with pytest.raises((yaml.YAMLError, ValueError)):
                    yaml.load(piece.content, Loader=yaml.CSafeLoader)
            continue
        assert equal(value, yaml.load(piece.content, Loader=yaml.CSafeLoader))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_untouched_documents_are_in_the_output_byte_for_byte(run: tuple, file: Path) -> None:
    raw, told, _ = run
    name = f"{file.parent.name}/{file.name}"
    if told[name]["status"] != "sanitized" or any(secret in file.read_bytes() for secret in SECRETS):
        pytest.skip("was held, or has documents that must change")
    staged = raw.staged(f"corpus/{name}")
    entries = [piece for piece in slices(io.BytesIO(file.read_bytes()), 16_000_000) if piece.kind == "document"][1:]
    kept = [piece.content for piece in entries if piece.content.rstrip(b"\n") in staged]
    assert len(kept) >= told[name]["documents"] - 1
    assert len(re.findall(rb"(?m)^---", staged)) == told[name]["documents"]


def test_the_second_run_over_what_was_staged_gives_the_same_bytes(run: tuple) -> None:
    raw, _, _ = run
    again = RawBatches(raw.state.parent / "again")
    staged = {file.name: file.read_bytes() for file in (raw.state / "staging").rglob("*") if file.is_file()}
    again.drop("corpus/again", staged)
    assert again.run().sanitized == len(staged)
    assert {name: again.staged(f"corpus/again/{name}") for name in staged} == staged
