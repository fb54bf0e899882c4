"""
The second half of the demo: constructed measurement reports from two collector hosts to the public mirror.

    1. files on the hosts   2. collectors_sync   3. sanitize_run   4. measurements_import   5. measurements_publish
    6. conservation_check   7. where each report is now

Addresses are of the ranges for documentation (RFC 5737), the fingerprint is made up.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml

from stack.airflow_api import AirflowApi
from stack.place import Place, StackProblem

DAGS = ("collectors_sync", "sanitize_run", "measurements_import", "measurements_publish", "conservation_check")
ADDRESS, FINGERPRINT = "198.51.100.7:4443", "0123456789ABCDEF0123456789ABCDEF01234567"
QUIET_S = 3.0  # config/collectors.yml takes files that were quiet for 2 s
STATES = ("raw", "staging", "reports", "imported", "quarantine", "errored")


def write_bridge_map(place: Place) -> None:
    """The map of the constructed bridge, written at every start: an old map stops the sanitizer, as it should."""
    path = place.make() / "bridges.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(bridge_map(), encoding="utf-8")
    temporary.replace(path)


def bridge_map() -> str:
    """The map that holds the one constructed bridge, as JSON."""
    entry = {"distributor": "bridges.example.org", "fingerprint": FINGERPRINT, "transport": "obfs3"}
    return json.dumps({ADDRESS: entry}, indent=1)


def run(place: Place, airflow: AirflowApi, say: Any, note: Any) -> bool:
    """Whether every report went where it belongs; prints where that is."""
    write_bridge_map(place)
    mark = str(int(time.time()))
    expected = _put_on_hosts(place, mark)
    say(f"{len(expected)} measurement reports are on two collector hosts: {', '.join(DAGS)}")
    time.sleep(QUIET_S)
    for dag in DAGS:
        _run_dag(airflow, dag)
        note(f"{dag}: success")
    places = _where(place, mark)
    right = True
    for name, state in expected.items():
        now = places.get(name, "nowhere")
        right = right and now.startswith(state)
        note(f"{name:<34} {now}" + ("" if now.startswith(state) else f"   EXPECTED {state}"))
    leaks = _leaks(place)
    note(f"secrets of the bridge map in what is public: {leaks or 'none'}")
    return right and not leaks


def _put_on_hosts(place: Place, mark: str) -> dict[str, str]:
    """File name to the state it has to end in."""
    reports = constructed_reports(mark)
    for host, files in reports.items():
        folder = place.path("collectors", host, "files", "archive")
        folder.mkdir(parents=True, exist_ok=True)
        for name, (text, _) in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    return {name: state for files in reports.values() for name, (_, state) in files.items()}


def constructed_reports(mark: str) -> dict[str, dict[str, tuple[str, str]]]:
    """By host and file name: a measurement report's text, and the state it has to end in."""
    return {
        "collector_a": {
            f"web-{mark}.yamloo": (
                _report("http_requests", mark, {"input": "http://example.org", "requests": []}),
                "imported",
            ),
            f"bridge-{mark}.yamloo": (_report("bridge_reachability", mark, _bridge()), "imported"),
            f"broken-{mark}.yamloo": ("test_name: [\n", "errored"),
        },
        "collector_b": {
            f"tcp-{mark}.yamloo": (
                _report("tcp_connect", mark, {"input": ADDRESS, "connection": "success"}),
                "imported",
            ),
            f"unknown-{mark}.yamloo": (_report("no_such_test", mark, {"input": None}), "quarantine"),
            f"unmapped-{mark}.yamloo": (
                _report("tcp_connect", mark, {"input": f"Bridge 203.0.113.9:1 {'A' * 40}", "connection": "x"}),
                "quarantine",
            ),
        },
    }


def _report(test_name: str, mark: str, entry: dict[str, Any]) -> str:
    header: dict[str, Any] = {
        "test_name": test_name, "test_version": "0.1", "probe_asn": "AS64496", "probe_cc": "NL", "probe_city": None,
        "probe_ip": "127.0.0.1", "start_time": float(mark), "software_name": "ooniprobe", "software_version": "1.2",
        "input_hashes": [], "options": [],
    }  # fmt: skip
    return yaml.safe_dump_all([header, entry], explicit_start=True, explicit_end=True)


def _bridge() -> dict[str, Any]:
    return {
        "bridge_address": ADDRESS, "input": f"Bridge obfs3 {ADDRESS} {FINGERPRINT}", "success": True,
        "test_runtime": 3.5,
        "tor_log": f"Learned fingerprint {FINGERPRINT} for bridge {ADDRESS}", "transport_name": "obfs3",
    }  # fmt: skip


def _run_dag(airflow: AirflowApi, dag: str) -> None:
    run = airflow.trigger(dag, {})
    if airflow.wait(dag, run) != "success":
        raise StackProblem(f"{dag} failed", "its task log in the Airflow UI says why")


def _where(place: Place, mark: str) -> dict[str, str]:
    """Name of each of our files to the folder that it is in now; the sanitizer may have changed its ending."""
    places: dict[str, str] = {}
    for state in STATES:
        for path in place.path("state", state).rglob(f"*{mark}*"):
            if path.is_file():
                name = path.name.split(f"-{mark}")[0] + f"-{mark}.yamloo"
                places[name] = path.parent.relative_to(place.path("state")).as_posix()
    return places


def _leaks(place: Place) -> list[str]:
    """Public files in which an address or a fingerprint of the map stands."""
    import gzip

    wanted = [text.encode() for text in (ADDRESS, ADDRESS.split(":")[0], FINGERPRINT, FINGERPRINT.lower())]
    leaks = []
    for folder in ("imported", "public"):
        for path in Path(place.path("state", folder)).rglob("*"):
            if path.is_file():
                data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                if any(text in data for text in wanted):
                    leaks.append(path.name)
    return leaks
