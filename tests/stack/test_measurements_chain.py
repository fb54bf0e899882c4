"""The whole way of constructed reports: host, sanitizer in its sandbox, database, mirror; then one is restored."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.clients import mongo
from tests.support.secantus import secantus

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

REPOSITORY = Path(__file__).parents[2]
ADDRESS, FINGERPRINT = "198.51.100.7:4443", "2B66FD261F0A33A4E8C5BEBE8CB5AC5C3F6C2F08"
BRIDGES = {ADDRESS: {"distributor": "bridges.torproject.org", "fingerprint": FINGERPRINT, "transport": "obfs3"}}
SECRETS = (ADDRESS, ADDRESS.partition(":")[0], FINGERPRINT, FINGERPRINT.lower())


def report(test_name: str, *entries: dict[str, Any], country: str = "IT") -> str:
    header = {
        "test_name": test_name, "test_version": "0.1", "probe_asn": "AS3269", "probe_cc": country, "probe_city": None,
        "probe_ip": "127.0.0.1", "start_time": 1790000000.0, "software_name": "ooniprobe", "software_version": "1.2",
        "input_hashes": [], "options": [],
    }  # fmt: skip
    return yaml.safe_dump_all([header, *entries], explicit_start=True, explicit_end=True)


def reach(success: object, country: str) -> str:
    entry = {
        "bridge_address": ADDRESS, "input": f"Bridge obfs3 {ADDRESS} {FINGERPRINT}", "success": success,
        "test_runtime": 3.5,
        "tor_log": f"Learned fingerprint {FINGERPRINT} for bridge {ADDRESS}", "transport_name": "obfs3",
    }  # fmt: skip
    return report("bridge_reachability", entry, country=country)


REPORTS = {
    "good.yamloo": report("http_requests", {"input": "http://example.org", "requests": []}),
    "reach_nl.yamloo": reach(True, "NL"),
    "reach_it.yamloo": reach(False, "IT"),
    "connect.yamloo": report("tcp_connect", {"input": f"{ADDRESS}\n", "connection": "success"}),
    "unknown.yamloo": report("no_such_test", {"input": None}),
    "unmapped.yamloo": report("tcp_connect", {"input": f"Bridge 203.0.113.9:1 {'A' * 40}", "connection": "x"}),
    f"named_{ADDRESS}.yamloo": report("http_requests", {"input": "http://example.org"}),
    "broken.yamloo": "test_name: [\n",
    "empty.yamloo": "",
}


class Chain:
    def __init__(self, folder: Path, uri: str) -> None:
        self.folder, self.state = folder, folder / "state"
        self.database = mongo.database(uri)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SPOOL_", "SPILLWAY_"))},
            "SPILLWAY_STATE": str(self.state), "SPILLWAY_MONGO_IMPORT_URI": uri,
            "SPILLWAY_BRIDGES": str(folder / "map"),
        }  # fmt: skip
        (folder / "map").write_text(json.dumps(BRIDGES))
        (folder / "collectors.yml").write_text(
            yaml.safe_dump(
                {
                    "version": 1,
                    "collectors": {
                        "north": {"transport": "drop_folder", "folder": str(folder / "in"), "forget_after_days": 0}
                    },
                }
            )
        )
        self.said = b""

    def drop(self, reports: dict[str, str]) -> None:
        batch = self.folder / "in" / "b1"
        batch.mkdir(parents=True)
        for name, text in reports.items():
            (batch / name).write_text(text)
        (self.folder / "in" / "b1.ready").touch()

    def run(self, module: str, *arguments: str) -> list[dict[str, Any]]:
        ended = subprocess.run(
            [sys.executable, "-m", f"include.{module}", *arguments, "--json"],
            cwd=REPOSITORY, env=self._environment, capture_output=True, check=False, timeout=240,
        )  # fmt: skip
        self.said += ended.stdout + ended.stderr
        assert ended.returncode == 0, ended.stderr.decode()
        return [json.loads(line) for line in ended.stdout.splitlines()]

    def go_on(self) -> None:
        for verb in ("postprocess", "import", "publish"):
            self.run("measurements", verb)

    def files(self, *rooms: str) -> dict[str, bytes]:
        found = {}
        for room in rooms:
            for path in (self.state / room).rglob("*"):
                if path.is_file():
                    content = path.read_bytes()
                    found[path.relative_to(self.state).as_posix()] = (
                        gzip.decompress(content) if path.suffix == ".gz" else content
                    )
        return found

    def rows(self) -> list[dict[str, Any]]:
        return [*self.database["reports"].find(), *self.database["measurements"].find()]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    with secantus(folder) as uri:
        made = Chain(folder, uri)
        made.drop(REPORTS)
        made.run("measurements.collect", "sync", "--config", str(folder / "collectors.yml"))
        made.run("measurements.sanitize", "run")
        made.go_on()
        yield made
        made.database.client.close()


def test_every_report_is_in_exactly_one_state(chain: Chain) -> None:
    found: dict[str, list[str]] = {}
    for path in chain.files("raw", "staging", "reports", "imported", "quarantine", "errored"):
        found.setdefault(path.rpartition("/")[2], []).append(path.partition("/")[0])
    imported = ("good", "reach_nl", "reach_it", "connect")
    assert found == {
        **{f"{name}.yamloo": ["imported"] for name in imported},
        **{f"{name}.yamloo": ["quarantine"] for name in ("unknown", "unmapped", f"named_{ADDRESS}")},
        **{f"{name}.yamloo": ["errored"] for name in ("broken", "empty")},
    }


def test_no_secret_of_the_map_is_in_any_output_or_log(chain: Chain) -> None:
    outputs = chain.files("staging", "reports", "imported", "prepared", "exports", "public")
    assert any(path.startswith("public/reports/") for path in outputs)
    outputs["database"] = repr(chain.rows()).encode()
    outputs["said"] = chain.said
    for path, content in outputs.items():
        for secret in SECRETS:
            assert secret.encode() not in content, path


def test_the_blocked_bridge_is_found_under_its_hash(chain: Chain) -> None:
    table = json.loads((chain.state / "public/bridges-by-country-code.json").read_text())
    [results] = table["IT"].values()
    assert [(result["status"], result["tcp_connect_success"]) for result in results] == [("blocked", True)]
    assert list(table) == ["IT"]


def test_counts_agree_over_all_stages(chain: Chain) -> None:
    from include.counts.ledger import StageLedger

    with StageLedger(chain.state, "local") as ledger:
        counts = {(c.feature, c.stage): (c.count_in, c.count_out, c.quarantined, c.errored) for c in ledger.counts()}
    assert counts[("collectors", "collect")] == (9, 9, 0, 0)
    assert counts[("sanitize", "sanitize")] == (9, 4, 3, 2)
    assert counts[("measurements", "postprocess")][:2] == counts[("measurements", "import")][:2] == (4, 4)


def test_a_report_is_restored_through_the_real_sanitizer(chain: Chain) -> None:
    archived = "north/b1/reach_it.yamloo.gz"
    before = {row["_id"] for row in chain.rows()}
    plan = chain.run("measurements", "restore", archived, "--bridges", str(chain.folder / "map"))[0]
    assert (plan["done"], plan["state"], len(plan["report_ids"])) == (False, "imported", 1)
    assert chain.run("measurements", "restore", archived, "--bridges", str(chain.folder / "map"), "--yes")[0]["done"]
    assert not (chain.state / "imported/north/b1/reach_it.yamloo").exists()
    assert "public/reports/IT/north/b1/reach_it.yamloo.gz" not in chain.files("public")
    chain.go_on()
    assert {row["_id"] for row in chain.rows()} == before
    assert "public/reports/IT/north/b1/reach_it.yamloo.gz" in chain.files("public")
