"""A process that a report got hold of: what it makes is no file, or it blames the machine."""

import errno
import json
import os
import sys


def main() -> int:
    say({"ready": True})
    sys.stdin.readline()
    say({"serving": True})
    for line in sys.stdin:
        question = json.loads(line)
        kind, outside = question["file"], question["report_file"]
        if kind in ERRNOS:
            say({"parsing": 0})
            say({"fault": ERRNOS[kind]})
            return 1
        MADE[kind](f"/out/{question['out']}", outside)
        say({"verdict": {"outcome": "sanitized", "documents": 2}})
    return 0


def links_beside(out: str, outside: str) -> None:
    """Where a program that writes its verdict here would write it."""
    for name in (".0.verdict.json.new", "0.verdict.json", "verdict"):
        os.symlink(outside, f"/out/{name}")  # noqa: PTH211
    with open(out, "x") as file:  # noqa: PTH123
        file.write("made\n")


MADE = {
    "link": lambda out, outside: os.symlink(outside, out),  # noqa: PTH211
    "pipe": lambda out, outside: os.mkfifo(out),
    "folder": lambda out, outside: os.mkdir(out),  # noqa: PTH102
    "nothing": lambda out, outside: None,
    "links beside": links_beside,
}
ERRNOS = {
    "no space": errno.ENOSPC,
    "too many files": errno.EMFILE,
    "no memory": errno.ENOMEM,
    "failing disk": errno.EIO,
}


def say(answer: dict) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
