"""
Writes a changed document as YAML that CSafeLoader reads back as the same value: checked for each one, not hoped.

Block style, explicit start and end, keys in their order, ASCII only (PyYAML folds other line breaks of Unicode
wrongly), sets sorted: the same value gives the same bytes in every process.
"""

from __future__ import annotations

from typing import Any

import yaml

from include.measurements.sanitize.yaml_document import BadDocument


class _Dumper(yaml.CSafeDumper):
    pass


def _represent_set(dumper: yaml.CSafeDumper, value: set[Any]) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:set", dict.fromkeys(sorted(value, key=_order)))


_Dumper.add_representer(set, _represent_set)


def dump(value: Any) -> bytes:
    """BadDocument(cannot_write) where YAML cannot carry the value."""
    try:
        text: bytes = yaml.dump(
            value,
            Dumper=_Dumper,
            encoding="utf-8",
            allow_unicode=False,
            default_flow_style=False,
            explicit_start=True,
            explicit_end=True,
            sort_keys=False,
        )
        again = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise BadDocument("cannot_write") from None
    if not equal(value, again):
        raise BadDocument("cannot_write")
    return text


def equal(first: Any, second: Any) -> bool:
    """The same types and values, order of keys included; a NaN equals a NaN."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return len(first) == len(second) and all(
            equal(a, b) and equal(first[a], second[b]) for a, b in zip(first, second, strict=True)
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    # Only a NaN differs from itself.
    return bool(first == second or (first != first and second != second))


def _order(value: object) -> tuple[str, str]:
    return type(value).__name__, repr(value)
