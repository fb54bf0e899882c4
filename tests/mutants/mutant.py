"""One change of the code that takes away what a rule of safety rests on; a test must fail on it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent.parent


class Mutant(NamedTuple):
    """
    name         what is missing then, in a few words; unique within its room
    file         relative to the repository
    snippet      occurs in the file exactly once
    replacement  what stands there instead
    tests        arguments for pytest, relative to the repository: as few as kill it
    """

    name: str
    file: str
    snippet: str
    replacement: str
    tests: tuple[str, ...]

    def changed(self, text: str) -> str:
        """The file's text with the change. ValueError where the snippet does not occur exactly once."""
        if text.count(self.snippet) != 1:
            raise ValueError(f"{self.file}: the snippet of {self.name!r} occurs {text.count(self.snippet)} times")
        return text.replace(self.snippet, self.replacement)


def rooms() -> dict[str, list[Mutant]]:
    """Each module of this folder with a list MUTANTS, by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = {name: importlib.import_module(f"tests.mutants.{name}") for name in names if name != "__main__"}
    return {name: module.MUTANTS for name, module in modules.items() if hasattr(module, "MUTANTS")}
