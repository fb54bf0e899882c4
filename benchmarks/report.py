"""docs/benchmarks.md from docs/benchmarks/*.json: one table, with target, date and commit of each figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.measure import RESULTS

PAGE = RESULTS.parent / "benchmarks.md"


def main() -> None:
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text("\n".join(_page(documents)) + "\n", encoding="utf-8")


def _page(documents: list[dict[str, Any]]) -> Iterator[str]:
    yield "# Speed and memory: the last runs"
    yield ""
    yield "Written by `make bench` from `docs/benchmarks/*.json`, which have every single run."
    yield "Figures of one machine with two shared cores: read the ratios, and the spread, before the numbers."
    for document in documents:
        machine = document["machine"]
        yield ""
        yield f"## {document['benchmark']}"
        yield ""
        yield (
            f"`python -m benchmarks.{document['benchmark']}`, {document['date']}, commit {document['commit']}, "
            f"{machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}."
        )
        yield ""
        yield "| figure | value | lowest to highest | target |"
        yield "|---|---:|---:|---:|"
        yield from _rows(document["results"], "")


def _rows(results: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in results.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict) and "median" in value:
            spread = f"{_number(value['lowest'])} to {_number(value['highest'])}"
            yield f"| {label}, median | {_number(value['median'])} | {spread} | {_number(value.get('target', ''))} |"
        elif isinstance(value, dict):
            yield from _rows(value, f"{name}: ")
        else:
            yield f"| {label} | {_number(value)} | | |"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
