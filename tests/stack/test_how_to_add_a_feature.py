"""docs/how-to/add-a-feature.md works as it is written: in a copy of the deployment, with every block applied."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import mariadb

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-a-feature.md"
COPIED = ("spool", "include", "plugins", "dags", "config", "docs", "stack", "tests", "pyproject.toml", "Makefile")
WHERE = r"# (new file: |in )(\S+?)(?:, (after|before) the line: ([^\n]+)|, at the end)?\n"
BLOCK = re.compile(rf"^```(?:python|yaml|toml)\n{WHERE}(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]


def apply(block: tuple[str, str, str, str, str], deployment: Path, numbers: dict[str, str]) -> None:
    kind, name, side, anchor, text = block
    for placeholder, number in numbers.items():
        name, text = name.replace(placeholder, number), text.replace(placeholder, number)
    path = deployment / name
    if kind == "new file: ":
        assert not path.exists(), f"{name} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    lines = path.read_text().splitlines(keepends=True)
    if side:
        [at] = [number for number, line in enumerate(lines) if line.strip() == anchor]
        lines.insert(at + (side == "after"), text)
    else:
        lines.append(text)
    path.write_text("".join(lines))


def migrations(deployment: Path) -> dict[str, str]:
    """What the page calls MMMM and NNNN."""
    names = (deployment / "include" / "database" / "migrations" / "versions").glob("r[0-9]*.py")
    last = max(int(path.name[1:5]) for path in names)
    return {"MMMM": f"{last:04}", "NNNN": f"{last + 1:04}"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the example in it."""
    copy = tmp_path_factory.mktemp("deployment")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    numbers = migrations(copy)
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        apply(block, copy, numbers)
    return copy


def run(deployment: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=deployment, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(deployment), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_of_code_says_where_it_goes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == len(re.findall(r"^```\w", text, re.MULTILINE)) >= 18


def test_the_example_has_everything_that_the_page_promises(deployment: Path) -> None:
    for path in ("config/invoices.yml", "include/invoices/events.py", "dags/invoices_take_dag.py"):
        assert (deployment / path).is_file()


def test_the_example_passes_the_linters_and_its_pages_are_generated(deployment: Path) -> None:
    for tool in (("ruff", "check", "--no-cache"), ("ruff", "format", "--check", "--no-cache")):
        run(deployment, *tool, "include", "plugins", "dags", "tests/stack/test_invoices.py")
    run(deployment, "include.config_reference")
    run(deployment, "plugins.event_docs")
    assert "invoice.paid" in (deployment / "docs" / "events.md").read_text()
    assert "cents_max" in (deployment / "docs" / "settings.md").read_text()
    assert (deployment / "config" / "schemas" / "invoices.json").is_file()


def test_the_tests_of_the_example_and_the_policies_of_its_dag_pass(deployment: Path) -> None:
    """Its own MariaDB, and Airflow, start in the copy: some 15 s."""
    printed = run(
        deployment, "pytest", "-q", "-p", "no:cacheprovider", "tests/stack/test_invoices.py",
        "tests/dags/test_dag_policies.py", "-k", "invoice or exactly_the_expected",
    )  # fmt: skip
    assert re.search(r"^\d\d passed", printed, re.MULTILINE), printed
    assert "skipped" not in printed
