"""
Plays every series whole and writes the result to docs/test-long.md.

    python -m tests.long_series [--workers N]

Ends with 0 when all of them hold.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys

from stack.place import REPOSITORY
from tests.support import series

REPORT = REPOSITORY / "docs" / "test-long.md"
LAST_LINE = re.compile(r"^=*\s*((?:\d+ \w+, )*\d+ \w+ in [\d.]+s.*?)\s*=*$", re.MULTILINE)
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
HEAD = """# The whole series

Some tests play an accident at every place: power loss at each change of the disk, a failure of each system call, damage
of each byte. `make test` plays the first, the last and every third of the places, from another one on in each variant.
`make test-long` plays all of them and writes this page; the tests carry the marker `series`.
"""


def page(output: str, day: datetime.date, commit: str) -> str:
    """The report on a run that printed `output`; RuntimeError where pytest came to no result."""
    if not (results := LAST_LINE.findall(output)):
        raise RuntimeError(f"pytest came to no result:\n{output[-2000:]}")
    failed = [f"- `{name}`" for name in FAILED.findall(output)]
    lines = [f"{day}, commit {commit}: {results[-1]}.", *(["", "Failed:", "", *failed] if failed else [])]
    return f"{HEAD}\n" + "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="3", help="tests at a time")
    options = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "series", "-n", options.workers, "tests"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), series.VARIABLE: "1"}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    print(run.stdout)
    REPORT.write_text(page(run.stdout, datetime.datetime.now(datetime.UTC).date(), _commit()), encoding="utf-8")
    return run.returncode


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
