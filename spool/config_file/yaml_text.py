"""
YAML of a configuration file as plain values: duplicate keys are refused, `${NAME}` is replaced from the environment.

Lines are looked up only for an error: `line_of` reads the text a second time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import yaml

# A file of config/ is written by hand. The limits stop aliases that multiply, and files that are something else.
TEXT_BYTES_MAX = 4 * 1024 * 1024
VALUES_MAX = 200_000

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class NotConfiguration(ValueError):
    """The text is not YAML, or YAML that a configuration file may not hold. `place` is a path of keys, or empty."""

    def __init__(self, message: str, place: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.place = place


class Expanded(str):
    """Text of a file with variables: the environment only has text, so a number may come as text."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses a key that stands twice in one mapping; PyYAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and lines.setdefault((key.tag, key.value), line) != line:
                    first = lines[key.tag, key.value]
                    raise NotConfiguration(f"{key.value}: duplicate key in lines {first} and {line}")
        return super().construct_mapping(node, deep)


def parse(text: str, environment: Mapping[str, str] | None = None) -> Any:
    """The document; with an environment, variables are replaced. NotConfiguration says what is wrong."""
    if len(text) > TEXT_BYTES_MAX:
        raise NotConfiguration(f"is longer than {TEXT_BYTES_MAX:,} characters")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
        return _Expansion(environment).value(document, ())
    except (yaml.YAMLError, OverflowError) as error:
        raise NotConfiguration(f"not YAML: {error}") from None
    except RecursionError:
        raise NotConfiguration("nested too deeply") from None
    except NotConfiguration:
        raise
    except ValueError as error:  # PyYAML lets the errors of dates and numbers through, such as 2026-13-01
        raise NotConfiguration(f"not YAML: {error}") from None


class _Expansion:
    """Walks a document once, counts its values and replaces variables."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._environment = environment
        self._count = 0

    def value(self, value: Any, place: tuple[Any, ...]) -> Any:
        self._count += 1
        if self._count > VALUES_MAX:
            raise NotConfiguration(f"holds more than {VALUES_MAX:,} values")
        if isinstance(value, dict):
            return {key: self.value(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, (*place, number)) for number, inner in enumerate(value)]
        if isinstance(value, str) and self._environment is not None:
            return Expanded(_VARIABLE.sub(self._replacement(self._environment, place), value))
        return value

    @staticmethod
    def _replacement(environment: Mapping[str, str], place: tuple[Any, ...]) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            value = environment.get(match[1]) or match[2]
            if value is None:
                raise NotConfiguration(f"the variable {match[1]} is not set", place)
            return value

        return replace


def line_of(text: str, place: Iterable[Any]) -> int | None:
    """The line, from 1, of the key or item at `place`; None where the text has none, such as a missing key."""
    node = yaml.compose(text, yaml.SafeLoader)
    line = None
    for part in place:
        child = _child(node, part)
        if child is None:
            return line
        marked, node = child
        line = marked.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: Any) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key, value
    return None
