"""
How fast reports get into MongoDB, against the least that a program can do.

    bare         one loop of unordered bulk_write over the same documents, in memory already, in bulks of 1,000
    import       `measurements import` over the same reports: files, database, moves, ledger; target 0.7 of `bare`
    postprocess  YAML to documents ready for the import, MB of YAML a second

Both write into an empty database with the same indexes on the same server. The runs alternate, so that a busy machine
hits both. Run: python -m benchmarks.measurements [--reports N] [--entries N] [--repeats N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import bson
import yaml
from pymongo import InsertOne

from benchmarks.measure import peak_memory_mb, publish, summary
from include.clients import mongo
from include.common.emit import no_events
from include.counts.batch_numbers import StageNumbers
from include.counts.ledger import StageLedger
from include.measurements.load import pipeline
from include.measurements.load.mongo_store import BULK_DOCUMENTS, MeasurementStore
from include.measurements.load.prepared_file import PreparedFile
from include.measurements.load.stage import Limit
from include.measurements.state_folders import StateFolders
from tests.support.secantus import secantus


def report(number: int, entries: int) -> str:
    """A report of http_requests with entries of about 1 kB."""
    header = {"test_name": "http_requests", "probe_asn": f"AS{number}", "probe_cc": "IT", "start_time": 1.4e9 + number}
    headers = [[f"X-Header-{n}", [f"value {n} of {number}"]] for n in range(12)]
    documents: list[dict[str, Any]] = [header]
    for n in range(entries):
        request = {"headers": headers, "method": "GET", "url": f"http://example.org/{number}/{n}"}
        response = {"code": 200, "headers": headers, "body": "left out"}
        documents.append({"input": f"{number}/{n}", "requests": [{"request": request, "response": response}], "n": n})
    return yaml.dump_all(documents, Dumper=yaml.CSafeDumper, explicit_start=True, explicit_end=True)


def prepared_documents(folders: StateFolders) -> list[dict[str, Any]]:
    """What the import sends, as the bare loop gets it: decoded, with ids of its own."""
    documents = []
    for name in folders.reports("reports"):
        with PreparedFile(folders.prepared_path(name)) as prepared:
            for number, entry in enumerate(prepared.entries()):
                ids = {"_id": f"{name:40}:{number:08}", "report_id": f"{name:40}", "number": number}
                documents.append({**ids, **bson.decode(entry)})
    return documents


def bare(uri: str, documents: list[dict[str, Any]]) -> float:
    database = emptied(uri)
    collection = database["measurements"]
    started = time.perf_counter()
    for start in range(0, len(documents), BULK_DOCUMENTS):
        bulk = [InsertOne(document) for document in documents[start : start + BULK_DOCUMENTS]]
        collection.bulk_write(bulk, ordered=False)
    return len(documents) / (time.perf_counter() - started)


def imported(uri: str, folders: StateFolders, ledger: StageLedger, numbers: StageNumbers, total: int) -> float:
    store = MeasurementStore(emptied(uri))
    started = time.perf_counter()
    summary_of_run = pipeline.import_reports(folders, ledger, numbers, no_events, Limit(), store)
    elapsed = time.perf_counter() - started
    assert summary_of_run.sums == {"inserted": total, "replaced": 0}, summary_of_run
    for name in folders.reports("imported"):
        folders.move(name, "imported", "reports")
    return total / elapsed


def emptied(uri: str) -> Any:
    database = mongo.database(uri)
    database.client.drop_database(database.name)
    MeasurementStore(database).create_indexes()
    return database


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=40)
    parser.add_argument("--entries", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, secantus(Path(name)) as uri:
        root = Path(name) / "state"
        root.mkdir()
        folders = StateFolders(root)
        size = 0
        for number in range(options.reports):
            size += folders.path("staging", f"r{number:05}").write_text(report(number, options.entries))
        with StageLedger(root, "bench") as ledger, StageNumbers(root, "bench") as numbers:
            started = time.perf_counter()
            pipeline.postprocess(folders, ledger, no_events, Limit())
            postprocess = size / 1e6 / (time.perf_counter() - started)
            memory = peak_memory_mb()
            documents = prepared_documents(folders)
            bares, imports = [], []
            for _ in range(options.repeats):
                bares.append(bare(uri, documents))
                # The import makes what was prepared again after its first run; the target is about importing.
                prepare_again(folders)
                imports.append(imported(uri, folders, ledger, numbers, len(documents)))
    ratios = [one / other for one, other in zip(imports, bares, strict=True)]
    publish(
        "measurements",
        {
            "documents": len(documents),
            "yaml_mb": round(size / 1e6, 1),
            "bare_documents_per_s": summary(bares),
            "import_documents_per_s": summary(imports),
            "import_of_bare_percent": summary([100 * ratio for ratio in ratios]),
            "target_percent": 70,
            "postprocess_mb_per_s": round(postprocess, 2),
            "postprocess_peak_memory_mb": round(memory),
        },
    )


def prepare_again(folders: StateFolders) -> None:
    from include.measurements.load import prepared_file

    for name in folders.reports("reports"):
        if not folders.prepared_path(name).exists():
            prepared_file.make(folders.path("reports", name), folders.prepared_path(name))


if __name__ == "__main__":
    main()
