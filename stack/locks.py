"""
Whether the locks belong to their inputs, without asking a registry: every requirement of requirements.in is in
requirements.txt at a version that it allows, every locked line has hashes, and the two locks agree.
"""

from __future__ import annotations

import re
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from stack.place import REPOSITORY

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ \\;]+)")


def main() -> int:
    deployment, tools = _pins("requirements.txt"), _pins("requirements-dev.txt")
    problems = _unmet("requirements.in", deployment) + _unmet("requirements-dev.in", tools)
    problems += _unexplained("requirements.in")
    problems += [
        f"{name}: {version} in requirements.txt, {tools.get(name)} in requirements-dev.txt"
        for name, version in deployment.items()
        if tools.get(name) != version
    ]
    for problem in problems:
        print(f"locks: {problem}; run `make lock`", file=sys.stderr)
    return 1 if problems else 0


def _pins(name: str) -> dict[str, str]:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    pins = {str(canonicalize_name(m[1])): m[2] for line in text.splitlines() if (m := _PIN.match(line))}
    unhashed = [line for line in text.splitlines() if _PIN.match(line) and not line.rstrip().endswith("\\")]
    if unhashed:
        raise SystemExit(f"locks: {name}: without hashes: {unhashed[0]}")
    return pins


def _lines(name: str) -> list[str]:
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith(("#", "-"))]


def _unmet(name: str, pins: dict[str, str]) -> list[str]:
    problems = []
    for line in _lines(name):
        wanted = Requirement(line.split("#")[0].strip())
        locked = pins.get(canonicalize_name(wanted.name))
        if locked is None or not wanted.specifier.contains(Version(locked), prereleases=True):
            problems.append(f"{name} asks for {wanted}, locked is {locked}")
    return problems


def _unexplained(name: str) -> list[str]:
    return [f"{name}: {line.strip()} has no reason behind it" for line in _lines(name) if "#" not in line]


if __name__ == "__main__":
    sys.exit(main())
