"""One name per test: reports of the same test came under many names over the years."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_BETWEEN = re.compile(r"[ \-]+")


class KnownTests:
    """`tests`: canonical name to its aliases. Case, spaces and dashes make no difference."""

    def __init__(self, tests: Mapping[str, Iterable[str]]) -> None:
        self._canonical = {self.plain(alias): name for name, aliases in tests.items() for alias in (name, *aliases)}

    def canonical(self, name: str) -> str | None:
        """None for a test nobody wrote rules for."""
        return self._canonical.get(self.plain(name))

    @staticmethod
    def plain(name: str) -> str:
        return _BETWEEN.sub("_", name.strip().lower())
