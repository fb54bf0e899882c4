"""The warehouse's part of the demo, on a server of the tests."""

from __future__ import annotations

from pathlib import Path

from stack.demo_warehouse import INSTALLATIONS, READER, copied_and_named, make_databases
from tests.support.mariadb import Server


def test_two_installations_are_whole_and_the_broken_one_is_named_again_and_again(
    mariadb_source: Server, tmp_path: Path
) -> None:
    notes: list[str] = []
    uris = {
        name: f"mysql://{READER}:secret@localhost/panel_{name}?unix_socket={mariadb_source.socket}"
        for name in INSTALLATIONS
    }
    for _ in range(2):
        make_databases(lambda: mariadb_source.connect("mysql"), "secret")
        assert copied_and_named(tmp_path, uris, notes.append)
    assert notes[1].startswith("lisbon   TableRefused: participants: tables of the engine MyISAM")
    assert notes[3] == "snapshot_current.participants: berlin 20,000, madrid 20,000"
