"""
The JSON Schema of a configuration file, from the same description that `load` checks against.

Editors read it through the line `# yaml-language-server: $schema=schemas/<name>.json` at the top of the YAML file.
"""

from __future__ import annotations

from typing import Any

from spool.config_file.loader import adapter

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Z][A-Z0-9_]*(:-[^}]*)?\}"}


def json_schema(kind: type[Any], *, title: str, version: int, variables: bool = False) -> dict[str, Any]:
    """With `variables`, every number and every text with a pattern may also be a text with `${NAME}` in it."""
    described: dict[str, Any] = adapter(kind).json_schema()
    described["properties"] = {
        "version": {"const": version, "description": "format of the file"},
        **described["properties"],
    }
    described["required"] = ["version", *described.get("required", [])]
    schema = {"$schema": _DRAFT, "title": title, **_without_titles(described)}
    return _with_variables(schema) if variables else schema


def _without_titles(node: Any) -> Any:
    """Pydantic derives a title from every name, which says nothing; a key of a file may be called title."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    return {key: _without_titles(value) for key, value in kept.items()}


def _with_variables(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_variables(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") in ("integer", "number") or (node.get("type") == "string" and "pattern" in node):
        kept = {key: node[key] for key in ("description", "default") if key in node}
        return {**kept, "anyOf": [{key: value for key, value in node.items() if key not in kept}, _VARIABLE]}
    return {key: _with_variables(value) for key, value in node.items()}
