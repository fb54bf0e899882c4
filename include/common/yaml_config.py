"""Reads a file of config/: YAML, one mapping, a format version; errors name file and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from spool.errors import SettingsError


def load_mapping(path: Path, *, version: int, keys: Iterable[str], hint: str = "") -> dict[str, Any]:
    """The mapping without its `version`; SettingsError for another version, a missing key or an unknown one."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist", hint=hint) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not YAML: {error}", hint=hint) from None
    if not isinstance(document, dict) or document.pop("version", None) != version:
        raise SettingsError(f"{path}: version: must be {version}", hint=hint)
    known = list(keys)
    for key in document:
        if key not in known:
            raise SettingsError(f"{path}: {key}: unknown key; known are {', '.join(known)}", hint=hint)
    for key in known:
        if key not in document:
            raise SettingsError(f"{path}: {key}: is missing", hint=hint)
    return document


def whole_number(path: Path, document: Mapping[str, Any], key: str, least: int, most: int) -> int:
    """An integer between `least` and `most`; SettingsError names file and key."""
    value = document[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingsError(f"{path}: {key}: must be a whole number from {least} to {most}, is {value!a}")
    return value
