"""
The controls of Airflow's pages that a user who may only read must not see: each of them would open a form or send a
request that the server refuses.

Airflow 3.3 draws them for everybody. It marks some with a test id; the others are known by their label, which is in the
language of the browser, so the labels are read from the translations that Airflow itself ships.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Namespace and key of a label in Airflow's translations; {{type}} stands for one of TYPES.
LABELS = (
    ("common", "nav.admin"),
    ("common", "note.add"),
    ("common", "note.edit"),
    ("components", "reparseDag"),
    ("browse", "xcom.delete.title"),
    ("browse", "xcom.edit.title"),
    ("dags", "dagActions.delete.button"),
    ("dags", "runAndTaskActions.clear.button"),
    ("dags", "runAndTaskActions.clear.buttonTooltip"),
    ("dags", "runAndTaskActions.clearAllMapped.button"),
    ("dags", "runAndTaskActions.clearAllMapped.buttonTooltip"),
    ("dags", "runAndTaskActions.delete.button"),
    ("dags", "runAndTaskActions.markAs.button"),
)
TYPES = ("dagRun_one", "taskInstance_one", "task_one", "taskGroup_one")
HIDDEN = (
    '[data-testid="trigger-dag-button"]',
    '[data-testid="mark-run-as-button"]',
    # Rows are selected to be cleared, marked or deleted together.
    'table [data-scope="checkbox"]',
    # "Add XCom" has neither id nor label; it stands in front of the buttons that unfold the list.
    'button:not([data-testid]):has(+ div > [data-testid="expand-all-button"])',
)
# Shows whether a DAG is paused, and stays visible.
STATE_ONLY = '[data-testid="toggle-pause"]'


def style_sheet(translations: Path) -> str:
    """CSS that hides them in every language of `translations`; OSError or KeyError where Airflow has changed."""
    labels = {label for folder in translations.iterdir() if folder.is_dir() for label in _labels(folder)}
    labels |= {key for _namespace, key in LABELS}  # the label until the translations have arrived
    hidden = [*HIDDEN, *(f"button[aria-label={json.dumps(label, ensure_ascii=False)}]" for label in sorted(labels))]
    return "\n".join(
        [
            # One rule each: a selector that a browser does not know takes its whole rule with it.
            *(f"{selector} {{ display: none !important; }}" for selector in hidden),
            f"{STATE_ONLY} {{ pointer-events: none; }}",
            f"{STATE_ONLY} input {{ visibility: hidden; }}",
        ]
    )


def _labels(folder: Path) -> Iterator[str]:
    words = {namespace: _read(folder / f"{namespace}.json") for namespace in {name for name, _key in LABELS}}
    types = [words["common"].get(name) for name in TYPES]
    for namespace, key in LABELS:
        label = _find(words[namespace], key)
        if label is None:
            if folder.name == "en":  # of another language, what nobody has translated yet is shown in English
                raise KeyError(f"{namespace}: {key}")
        elif "{{type}}" in label:
            yield from (label.replace("{{type}}", name) for name in types if isinstance(name, str))
        else:
            yield label


def _read(path: Path) -> Mapping[str, Any]:
    words_by_page: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return words_by_page


def _find(words: Mapping[str, Any], key: str) -> str | None:
    word: Any = words
    for part in key.split("."):
        word = word.get(part) if isinstance(word, Mapping) else None
    return word if isinstance(word, str) else None
