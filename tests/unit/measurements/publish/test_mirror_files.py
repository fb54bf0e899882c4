"""What a path of a URL may open; the server itself runs in tests/stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.measurements.publish.mirror_server import NotPublic, open_public


@pytest.fixture
def public(tmp_path: Path) -> Path:
    root = tmp_path / "public"
    (root / "reports" / "IT").mkdir(parents=True)
    (root / "index.html").write_bytes(b"page")
    (root / "reports" / "IT" / "a b.gz").write_bytes(b"report")
    (root / ".hidden").write_bytes(b"secret")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "r").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "raw" / "r")
    (root / "folder").symlink_to(tmp_path / "raw")
    os.mkfifo(root / "pipe")
    return root


@pytest.mark.parametrize(
    ("path", "content"), [("/", b"page"), ("/index.html", b"page"), ("/reports/IT/a%20b.gz", b"report")]
)
def test_public_files_open(public: Path, path: str, content: bytes) -> None:
    with open_public(public, path) as file:
        assert file.read() == content


@pytest.mark.parametrize(
    "path",
    [
        "/../raw/r",
        "/reports/../../raw/r",
        "/%2e%2e/raw/r",
        "/..%2fraw%2fr",
        "//etc/passwd",
        "/etc/passwd",
        "/link",
        "/folder/r",
        "/.hidden",
        "/reports",
        "/reports/",
        "/reports/IT/",
        "/pipe",
        "/none",
        "/index.html/x",
        "/a%00b",
        "/./index.html",
        "/" + "x" * 300,
        "/%ff",
    ],
)
def test_nothing_else_does(public: Path, path: str) -> None:
    with pytest.raises(NotPublic):
        open_public(public, path)
