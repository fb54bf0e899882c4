from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.measurements import batch_manifest
from include.measurements.batch_manifest import Difference, ManifestRefused

SHA = "0" * 64


@pytest.mark.parametrize(
    "line",
    [
        "x", f"{SHA} r", f"{SHA[1:]}  r", f"{SHA}  /etc/passwd", f"{SHA}  ../r", f"{SHA}  a/../b", f"{SHA}  a//b",
        f"{SHA}  ./r", f"{SHA}  a/", f"{SHA}  ", f"{SHA.replace('0', 'A')}  r", f"{SHA}  a\tb", f"{SHA}  a\rb",
        f"{SHA}  {'x' * 5000}", f" {SHA}  r", f"{SHA}  {'x' * 256}", f"{SHA}  {'x/' * 1024}x",
        SHA + "  " + "\u00e9" * 128,
        f"{SHA}  .hidden", f"{SHA}  a/.b/c", f"{SHA}  a\0b", f"{SHA}  a\u202eb", f"{SHA}  a\u2028b", f"{SHA}  \udc80",
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(ManifestRefused, match="line 2 "):
        batch_manifest.parse(f"{SHA}  good\n{line}\n")


def test_a_path_named_twice_is_refused() -> None:
    with pytest.raises(ManifestRefused, match="again"):
        batch_manifest.parse(f"{SHA}  r\n{SHA.replace('0', '1')}  r\n")


def test_more_files_than_a_batch_may_have_are_refused() -> None:
    with pytest.raises(ManifestRefused, match="more than a batch"):
        batch_manifest.parse("".join(f"{SHA}  {n}\n" for n in range(batch_manifest.FILES_MAX + 1)))


@given(st.dictionaries(st.text(min_size=1).filter(batch_manifest.is_safe_path), st.just(SHA), max_size=20))
def test_what_is_written_is_read(manifest: dict[str, str]) -> None:
    assert batch_manifest.parse(batch_manifest.encode(manifest)) == manifest


def test_sha256sum_reads_and_writes_the_same(tmp_path: Path) -> None:
    for name in ("a", "b c", "deep/\u00e9"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    text = batch_manifest.encode(batch_manifest.hashed(tmp_path / "in"))
    subprocess.run(["sha256sum", "-c", "--status"], input=text.encode(), cwd=tmp_path / "in", check=True)
    made = subprocess.run(
        ["sha256sum", "a", "b c", "deep/\u00e9"], cwd=tmp_path / "in", capture_output=True, check=True
    )
    assert made.stdout.decode() == text


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "is a file").touch()
    with pytest.raises(NotADirectoryError):
        batch_manifest.hashed(tmp_path / "is a file")


def test_every_kind_of_difference_is_named(tmp_path: Path) -> None:
    for name in ("same", "changed", "unknown"):
        (tmp_path / name).write_text(name)
    manifest = batch_manifest.hashed(tmp_path)
    del manifest["unknown"]
    (tmp_path / "changed").write_text("chnaged")
    assert batch_manifest.compare(tmp_path, {**manifest, "missing": SHA}) == Difference(
        ("missing",), ("unknown",), ("changed",)
    )
    assert not batch_manifest.compare(tmp_path, batch_manifest.hashed(tmp_path))


def test_a_link_to_a_folder_is_a_file_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "link").symlink_to("/etc")
    assert batch_manifest.compare(tmp_path / "batch", {}).unknown == ("link",)
    with pytest.raises(ManifestRefused):
        batch_manifest.hashed(tmp_path / "batch")
