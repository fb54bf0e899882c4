"""
`python -m plugins.dag_docs [--check]`: docs/DAGs.md, generated from the docstrings and params of all DAGs.

CI runs it with --check, which writes nothing and fails when the page is not what the DAGs say.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "DAGs.md"

HEAD = """# The DAGs

Generated from the files in `dags/` by `make dag-docs`; edit the docstrings there. How to add one:
[how-to/add-a-dag.md](how-to/add-a-dag.md).
"""


def load_dags() -> dict[str, Any]:
    """Every DAG of `dags/` by id; SystemExit with the import errors where a file does not load."""
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(REPOSITORY / "dags"))
    if bag.import_errors:
        raise SystemExit("\n".join(f"{path}: {error}" for path, error in bag.import_errors.items()))
    return dict(bag.dags)


def render(dags: Iterable[Any]) -> str:
    """The page: an overview, then per feature (the first tag) each DAG's manual and params."""
    from plugins.dag_defaults import FEATURES

    by_feature: dict[str, list[Any]] = {str(feature): [] for feature in FEATURES}
    for dag in sorted(dags, key=lambda dag: dag.dag_id):
        by_feature[feature_of(dag)].append(dag)
    chapters = {feature: dags for feature, dags in by_feature.items() if dags}
    parts = [HEAD, _overview([dag for dags in chapters.values() for dag in dags])]
    for feature, feature_dags in chapters.items():
        parts.append(f"## {feature}\n")
        parts.extend(_section(dag) for dag in feature_dags)
    return "\n".join(parts).rstrip() + "\n"


def feature_of(dag: Any) -> str:
    """The feature is the first part of the id that is a feature tag; a policy test demands that there is one."""
    from plugins.dag_defaults import FEATURES

    return next(str(feature) for feature in FEATURES if feature in dag.tags)


def schedule_of(dag: Any) -> str:
    """In words for the page: `*/5 * * * *` in UTC, or `by hand`."""
    if dag.schedule is None:
        return "by hand"
    expression = getattr(dag.timetable, "expression", None)
    return f"`{expression}` {dag.timetable.timezone}" if expression else f"`{dag.schedule}`"


def _overview(dags: list[Any]) -> str:
    rows = [
        f"| [{dag.dag_id}](#{dag.dag_id}) | {_title(dag)} | {schedule_of(dag)} | {', '.join(sorted(dag.tags))} |"
        for dag in dags
    ]
    return "\n".join(["| DAG | what | schedule | tags |", "|---|---|---|---|", *rows, ""])


def _title(dag: Any) -> str:
    title = str(dag.doc_md).strip().splitlines()[0].partition(": ")[2]
    return title[:1].upper() + title[1:]


def _section(dag: Any) -> str:
    lines = str(dag.doc_md).strip().splitlines()
    tasks = ", ".join(f"`{task_id}`" for task_id in dag.task_ids)
    body = [
        f"### {dag.dag_id}",
        "",
        f"*{_title(dag)}*",
        *lines[1:],
        "",
        f"Tasks: {tasks}. Schedule: {schedule_of(dag)}.",
        "",
    ]
    if dag.params:
        body += ["| param | default | allowed | what |", "|---|---|---|---|"]
        body += [_param_row(name, dag.params.get_param(name)) for name in dag.params]
        body.append("")
    return "\n".join(body)


def _param_row(name: str, param: Any) -> str:
    default = "" if param.value is None else f"`{param.value}`"
    return f"| `{name}` | {default} | {_allowed(param.schema)} | {param.description} |"


def _allowed(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "")
    words = [" or ".join(kind) if isinstance(kind, list) else str(kind)]
    if "enum" in schema:
        words.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
    if "maximum" in schema:
        words.append(f"{schema['minimum']:,} to {schema['maximum']:,}")
    elif "minimum" in schema:
        words.append(f"{schema['minimum']:,} or more")
    if "pattern" in schema:
        words.append(f"`{schema['pattern']}`")
    return ", ".join(words)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m plugins.dag_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is not up to date")
    options = parser.parse_args(arguments)
    text = render(load_dags().values())
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {PAGE.relative_to(REPOSITORY)}\n")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.stderr.write("docs/DAGs.md is not what the DAGs say: run `make dag-docs` and commit the page\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
