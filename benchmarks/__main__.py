"""All benchmarks, one after another, each in a process of its own: `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import report

PROGRAMS = (
    "append",
    "acknowledge_s3",
    "ship",
    "replay",
    "memory",
    "recovery",
    "sanitize",
    "measurements",
    "collectors",
    "outbox",
    "warehouse",
)


def main() -> int:
    failed = []
    for program in PROGRAMS:
        if not (Path(__file__).parent / f"{program}.py").exists():
            continue
        print(f"== {program}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{program}"], check=False).returncode:
            failed.append(program)
    report.main()
    print(f"failed: {', '.join(failed)}" if failed else "all done; see docs/benchmarks.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
