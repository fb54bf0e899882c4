"""
One suite for the fake store and for a real server that speaks MongoDB's protocol.

Entries in the database, once, whatever they hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.clients import mongo
from include.measurements.identity import measurement_id
from include.measurements.load import mongo_store, prepared_file
from include.measurements.load.bridges import by_country
from include.measurements.load.mongo_reader import CONNECTION, REACHABILITY, observations
from include.measurements.load.mongo_store import MeasurementStore, whole_measurement
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.secantus import secantus

pytestmark = pytest.mark.contract

HEADER = {"test_name": "http_requests", "probe_asn": "AS3269", "probe_cc": "IT", "start_time": 1414668000.0}


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with secantus(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


class RealStore(MeasurementStore):
    def __init__(self, uri: str) -> None:
        self.database = mongo.database(uri)
        self.database.client.drop_database(self.database.name)
        super().__init__(self.database)

    def whole(self, identity: str) -> dict[str, Any] | None:
        return whole_measurement(self.database, identity)


@pytest.fixture(params=["fake", "mongo"])
def store(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "fake":
        yield MemoryMeasurements()
        return
    real = RealStore(request.getfixturevalue("mongo_uri"))
    real.create_indexes()
    yield real
    real.database.client.close()


@pytest.fixture
def real(mongo_uri: str) -> Iterator[RealStore]:
    made = RealStore(mongo_uri)
    made.create_indexes()
    yield made
    made.database.client.close()


def write(folder: Path, *documents: object) -> Path:
    path = folder / "r.yamloo"
    path.write_text(yaml.dump_all(documents, Dumper=yaml.CSafeDumper, explicit_start=True, explicit_end=True))
    return path


def put(store: Any, folder: Path, *documents: object, name: str = "north/b1/r.yamloo") -> mongo_store.Written:
    report = write(folder, *documents)
    with prepared_file.opened(report, folder / "r.bson") as prepared:
        written: mongo_store.Written = store.put(prepared.about, prepared.entries(), name)
    return written


def test_a_report_and_its_entries_can_be_read_back(store: Any, tmp_path: Path) -> None:
    written = put(store, tmp_path, HEADER, {"input": "a"}, {"input": "b", "n": [1, {"x": 2}]})
    assert written[1:] == (2, 0)
    assert store.whole(measurement_id(written.report_id, 1)) == {
        "_id": f"{written.report_id}:00000001",
        "report_id": written.report_id,
        "number": 1,
        "input": "b",
        "n": [1, {"x": 2}],
    }
    assert store.report_ids("north/b1/r.yamloo") == [written.report_id]


def test_importing_again_changes_no_count(store: Any, tmp_path: Path) -> None:
    first = put(store, tmp_path, HEADER, {"input": "a"}, {"input": "b"})
    again = put(store, tmp_path, HEADER, {"input": "a"}, {"input": "b"})
    assert again == (first.report_id, 0, 2)


def test_equal_reports_from_two_files_are_two_reports(store: Any, tmp_path: Path) -> None:
    one = put(store, tmp_path, HEADER, {"input": "a"}).report_id
    other = put(store, tmp_path, HEADER, {"input": "a"}, name="south/b1/r.yamloo").report_id
    assert one != other
    store.delete(one)
    assert store.whole(measurement_id(one, 0)) is None
    assert store.whole(measurement_id(other, 0))["input"] == "a"


def test_a_shorter_form_of_the_same_file_leaves_nothing_of_the_longer(store: Any, tmp_path: Path) -> None:
    longer = put(store, tmp_path, HEADER, *({"input": n} for n in range(5)))
    assert put(store, tmp_path, HEADER, {"input": "x"}) == (longer.report_id, 0, 1)
    assert store.whole(measurement_id(longer.report_id, 0))["input"] == "x"
    assert store.whole(measurement_id(longer.report_id, 1)) is None


def test_the_same_file_under_another_header_replaces_the_report(store: Any, tmp_path: Path) -> None:
    old = put(store, tmp_path, HEADER, {"input": "a"}).report_id
    new = put(store, tmp_path, {**HEADER, "test_name": "http_host"}, {"input": "a"}).report_id
    assert store.report_ids("north/b1/r.yamloo") == [new]
    assert store.whole(measurement_id(old, 0)) is None


def test_deleting_takes_all_entries_of_one_report_and_of_no_other(store: Any, tmp_path: Path) -> None:
    one = put(store, tmp_path, HEADER, {"input": "a"}, {"input": "b"}).report_id
    other = put(store, tmp_path, HEADER, {"input": "c"}, name="x").report_id
    assert store.delete(one) == 2
    assert store.delete(one) == 0
    assert store.whole(measurement_id(other, 0))["input"] == "c"


def test_odd_values_come_back_as_the_table_says(store: Any, tmp_path: Path) -> None:
    entry = {
        "a.b": {"$gt": 1}, "set": {"b", "a"}, "bytes": b"\xff", "nan": math.nan, "huge": 2**70, "none": None,
        "at": datetime(2014, 10, 30, 1, 2, 3, tzinfo=UTC), "emoji": "\U0001f600", "_id": "mine", "number": 7,
    }  # fmt: skip
    written = put(store, tmp_path, HEADER, entry)
    found = store.whole(measurement_id(written.report_id, 0))
    assert found["a%2Eb"] == {"%24gt": 1}
    assert found["set"] == ["a", "b"]
    assert found["bytes"] == {"data": "/w==", "format": "base64"}
    assert math.isnan(found["nan"])
    assert found["huge"] == {"data": str(2**70), "format": "integer"}
    assert (found["number"], found["number_in_report"], found["_id_in_report"]) == (0, 7, "mine")
    assert found["emoji"] == "\U0001f600"


def test_an_entry_over_16_mb_is_stored_whole(store: Any, tmp_path: Path) -> None:
    entry = {"input": "big", "text": "x" * (17 * 1024 * 1024), "other": list(range(1000))}
    written = put(store, tmp_path, {**HEADER, "test_name": "web_connectivity"}, {"input": "small"}, entry)
    found = store.whole(measurement_id(written.report_id, 1))
    assert {name: found[name] for name in entry} == entry
    assert put(store, tmp_path, {**HEADER, "test_name": "web_connectivity"}, {"input": "small"}, entry)[1:] == (0, 2)


def test_an_oversize_entry_can_be_found_by_its_small_fields_and_leaves_no_parts(
    real: RealStore, tmp_path: Path
) -> None:
    written = put(real, tmp_path, {**HEADER, "test_name": "x"}, {"input": "big", "text": "x" * (17 * 1024 * 1024)})
    [row] = real.database["measurements"].find({"input": "big"})
    assert row["oversize"]["parts"] == 3
    assert "text" not in row
    real.delete(written.report_id)
    assert real.database["measurement_parts"].count_documents({}) == 0


def test_more_entries_than_one_bulk_holds_are_all_written(real: RealStore, tmp_path: Path) -> None:
    entries = [{"input": number} for number in range(mongo_store.BULK_DOCUMENTS * 2 + 3)]
    assert put(real, tmp_path, HEADER, *entries).inserted == len(entries)
    assert real.database["measurements"].count_documents({}) == len(entries)


def test_a_report_that_is_not_whole_is_not_read(real: RealStore, tmp_path: Path) -> None:
    header = {**HEADER, "test_name": REACHABILITY}
    written = put(real, tmp_path, header, {"bridge_hashed_fingerprint": "a" * 40, "success": True})
    since = datetime(2014, 1, 1, tzinfo=UTC)
    assert len(observations(real.database, REACHABILITY, since)) == 1
    real.database["reports"].update_one({"_id": written.report_id}, {"$set": {"spillway.complete": False}})
    assert observations(real.database, REACHABILITY, since) == []


def test_blocked_bridges_are_found_from_what_was_imported(real: RealStore, tmp_path: Path) -> None:
    bridge = {"bridge_hashed_fingerprint": "a" * 40, "test_runtime": 2.5, "input": "1.2.3.4:80"}
    reach = {**HEADER, "test_name": REACHABILITY}
    put(real, tmp_path, {**reach, "probe_cc": "NL"}, {**bridge, "success": True}, name="nl")
    put(real, tmp_path, {**reach, "probe_cc": "CN"}, {**bridge, "success": False}, {"success": False}, name="cn")
    put(
        real,
        tmp_path,
        {**HEADER, "test_name": CONNECTION, "probe_cc": "CN"},
        {**bridge, "connection": "timeout"},
        name="t",
    )
    since = datetime(2014, 10, 30, tzinfo=UTC)
    table = by_country(
        observations(real.database, REACHABILITY, since),
        observations(real.database, CONNECTION, since),
        control_country="NL",
        window=timedelta(hours=24),
    )
    [result] = table["CN"]["a" * 40]
    assert (result["status"], result["tcp_connect_success"], result["report_file"]) == ("blocked", False, "cn")
    assert "1.2.3.4" not in str(table)
    assert observations(real.database, REACHABILITY, datetime(2014, 10, 31, tzinfo=UTC)) == []
