"""The warehouse's part of the demo, on a server of the tests; the stream is read from the spool folder."""

from __future__ import annotations

from pathlib import Path

from stack.demo_warehouse import INSTALLATIONS, READER, DemoWarehouse, make_databases
from tests.support.datasync import changes
from tests.support.mariadb import Server


def test_two_installations_are_whole_the_broken_one_is_named_and_a_change_is_followed_again_and_again(
    mariadb_source: Server, tmp_path: Path
) -> None:
    notes: list[str] = []
    uris = {
        name: f"mysql://{READER}:secret@localhost/panel_{name}?unix_socket={mariadb_source.socket}"
        for name in INSTALLATIONS
    }
    spool = tmp_path / "spool"
    for run in range(1, 3):
        make_databases(lambda: mariadb_source.connect("mysql"), "secret")
        warehouse = DemoWarehouse(tmp_path, uris, spool, notes.append)
        assert warehouse.is_copied_and_named()
        assert warehouse.follows_a_change(
            lambda: mariadb_source.connect("mysql"),
            lambda gtid: next((change for change in changes(spool) if change["gtid"] == gtid), None),
        )
        assert len(changes(spool)) == run
    assert notes[1].startswith("lisbon   TableRefused: participants: tables of the engine MyISAM")
    assert notes[3] == "snapshot_current.participants: berlin 20,000, madrid 20,000"
    assert "1 transactions behind" in notes[4]
    assert "0 transactions behind, lag 0.0 s; 0 rows wait" in notes[5]
    assert notes[6] == "datasync: update of 7, status 12 to 99"
