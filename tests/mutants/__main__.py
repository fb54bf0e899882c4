"""
Run every mutant against its tests: `python -m tests.mutants [--room log] [--only TEXT] [--missing]`.

Method: the tracked files are copied to a temporary folder, one mutant is put in, its tests run until the first fails.
Killed: a test failed, or did not end. What survives is a rule that no test holds. Each result goes to docs/mutants.md
as soon as it is known. Exit code 1 where one survives.
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

from tests.mutants.mutant import REPOSITORY, Mutant, rooms
from tests.mutants.page import SURVIVED, Page, Row
from tests.support import series

# The tests of one mutant take seconds or minutes; a mutant that takes away a wake-up hangs. A busy machine must not look
# like one that does.
TIMEOUT_S = 1800


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.split("\n\n")[0])
    parser.add_argument("--room", choices=sorted(rooms()), help="one room only")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name contains this")
    parser.add_argument("--missing", action="store_true", help="mutants without a row on the page, or that survived")
    options = parser.parse_args()
    survivors, page = 0, Page(rooms())
    run = f"{datetime.datetime.now(datetime.UTC).date()} {_git('rev-parse', '--short', 'HEAD').strip()}"
    with copied_repository() as folder:
        for room, mutant in chosen(options, page):
            row = judged(mutant, folder, run)
            print(row.line(), flush=True)
            page.put(room, row)
            survivors += row.survived
    print(f"{survivors} survived")
    return 1 if survivors else 0


def chosen(options: argparse.Namespace, page: Page) -> list[tuple[str, Mutant]]:
    return [
        (room, mutant)
        for room, mutants in rooms().items()
        for mutant in mutants
        if options.room in (None, room)
        and options.only in mutant.name
        and not (options.missing and page.is_killed(room, mutant.name))
    ]


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


def judged(mutant: Mutant, folder: Path, run: str) -> Row:
    """Its row; `run` is a day and a commit."""
    path = folder / mutant.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(mutant.changed(whole), encoding="utf-8")
    try:
        failed = first_failure(mutant.tests, folder)
    finally:
        path.write_text(whole, encoding="utf-8")
    return Row(mutant.name, mutant.file, f"`{failed}`" if failed else SURVIVED, run)


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


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
