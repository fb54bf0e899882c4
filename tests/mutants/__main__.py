"""
Run every mutant against its tests: `python -m tests.mutants [--room log] [--only TEXT]`.

Method: the tracked files are copied to a temporary folder, one mutant is put in, its tests run until the first fails.
Killed: a test failed, or did not end. What survives is a rule that no test holds. Results go to docs/mutants.md, one
table a room; with --only they are printed and not kept. Exit code 1 where one survives.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutant import REPOSITORY, Mutant, rooms
from tests.support import series

REPORT = REPOSITORY / "docs" / "mutants.md"
# The tests of one mutant take seconds; a mutant that takes away a wake-up hangs.
TIMEOUT_S = 600
HEAD = """# Mutants

Each row is one line of the code that a rule of safety rests on, taken out or turned round, and the first test that
failed without it. `make mutants` runs them all and writes this page; the lists are in `tests/mutants/`.
"""


class Verdict(NamedTuple):
    mutant: Mutant
    killed_by: str

    def row(self) -> str:
        by = f"`{self.killed_by}`" if self.killed_by else "**survived**"
        return f"| {self.mutant.name} | `{self.mutant.file}` | {by} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.split("\n\n")[0])
    parser.add_argument("--room", choices=sorted(rooms()), help="one room only")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name contains this")
    options = parser.parse_args()
    survivors, commit = 0, _git("rev-parse", "--short", "HEAD").strip()
    with copied_repository() as folder:
        for room, mutants in rooms().items():
            if options.room in (None, room):
                verdicts = [judged(mutant, folder) for mutant in mutants if options.only in mutant.name]
                survivors += sum(not verdict.killed_by for verdict in verdicts)
                if not options.only:
                    write_table(room, verdicts, commit)
    print(f"{survivors} survived")
    return 1 if survivors else 0


@contextmanager
def copied_repository() -> Iterator[Path]:
    """The tracked and the new files of this checkout, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        names = _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
        for name in names:
            if (REPOSITORY / name).is_file():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((REPOSITORY / name).read_bytes())
        for link in (".venv", ".tools"):
            if (REPOSITORY / link).exists():
                (Path(folder) / link).symlink_to((REPOSITORY / link).resolve())
        yield Path(folder)


def judged(mutant: Mutant, folder: Path) -> Verdict:
    path = folder / mutant.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(mutant.changed(whole), encoding="utf-8")
    try:
        verdict = Verdict(mutant, first_failure(mutant.tests, folder))
    finally:
        path.write_text(whole, encoding="utf-8")
    print(verdict.row(), flush=True)
    return verdict


def first_failure(tests: tuple[str, ...], folder: Path) -> str:
    """The first test that fails; `it hangs` where they do not end; empty where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it hangs"
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)}: pytest ended with {done.returncode}\n{done.stdout}{done.stderr}")
    failed = re.search(r"^(?:FAILED|ERROR) [^:]+::(.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return "" if done.returncode == 0 else failed[1] if failed else "it hangs"


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", series.VARIABLE: "1"}


def write_table(room: str, verdicts: list[Verdict], commit: str) -> None:
    """Replace the room's section of the page, and keep the others."""
    text = REPORT.read_text(encoding="utf-8") if REPORT.exists() else HEAD
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    killed = sum(bool(verdict.killed_by) for verdict in verdicts)
    today = datetime.datetime.now(datetime.UTC).date()
    sections[room] = "\n".join(
        [
            f"\n{today}, commit {commit}: {killed} of {len(verdicts)} killed.\n",
            "| without | in | killed by |",
            "|---|---|---|",
            *(verdict.row() for verdict in verdicts),
            "\n",
        ]
    )
    body = "".join(f"\n## {name}\n{section.rstrip()}\n" for name, section in sorted(sections.items()))
    REPORT.write_text(HEAD + body, encoding="utf-8")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
