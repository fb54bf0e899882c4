"""
`python -m plugins.event_docs [--check]`: docs/events.md and docs/events.json, from the event types of all `events.py`.

docs/events.json records the shape of every version that was ever there. A recorded shape never changes: a type whose
fields, stream or content differ from its recorded version needs the next version. Neither form of the command accepts
it otherwise; with --check it also fails where the two files are not up to date.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from include.common.event_type import JSON, FeatureEvent

DEPLOYMENT = Path(__file__).parent.parent
PAGE, RECORD = Path("docs") / "events.md", Path("docs") / "events.json"

EventType = type[FeatureEvent]
Shape = dict[str, Any]
# type name -> version -> its shape, and since when it is recorded
Record = dict[str, dict[str, Shape]]

_HEAD = """# Events

Every type of event that is emitted here, from the files `events.py`. This page and `events.json` are generated:
`make event-docs` writes them, `make lint` compares them. Type, id, source and time travel as CloudEvents headers. A
JSON payload has the fields below and `version`; where `version` is missing it is 1. An optional field is left out where
it has no value. A consumer passes over fields and types that it does not know.

"""
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true, false"}


def load_types(root: Path = DEPLOYMENT) -> list[EventType]:
    """The event types of every `events.py` of the engine, the features and the plugins, sorted by name."""
    types_by_name: dict[str, EventType] = {}
    for path in sorted(path for room in ("spool", "include", "plugins") for path in (root / room).rglob("events.py")):
        module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
        for value in vars(module).values():
            if not (isinstance(value, type) and issubclass(value, FeatureEvent) and value.type):
                continue
            if types_by_name.setdefault(value.type, value) is not value:
                raise SystemExit(f"{value.type} is the type of two events: {types_by_name[value.type]} and {value}")
    return [types_by_name[name] for name in sorted(types_by_name)]


def shape(event: EventType) -> Shape:
    """What a consumer relies on: stream, content, and of each field its type and whether it is always there."""
    described = {
        field.name: {"type": _words(hint), "required": field.default is MISSING}
        for field, hint in ((field, _hint(event, field.name)) for field in _fields(event))
    }
    if "version" in described:
        raise SystemExit(f"{event.type}: a field cannot be called `version`, which is part of every payload")
    return {"stream": event.stream, "content": event.content, "fields": described}


def broken(types: Iterable[EventType], record: Record) -> list[str]:
    """A sentence for each type that cannot be recorded: its shape has changed, or its version has gone back."""
    sentences = []
    for event in types:
        versions = record.get(event.type, {})
        newest = max(map(int, versions), default=0)
        recorded = versions.get(str(event.version))
        if recorded is None and event.version != newest + 1:
            sentences.append(f"{event.type}: version {event.version} follows {newest}; it has to be {newest + 1}")
        elif event.version < newest:
            sentences.append(f"{event.type}: version {event.version} is older than {newest}, which is recorded")
        elif recorded is not None and {**recorded, "since": None} != {**shape(event), "since": None}:
            sentences.append(
                f"{event.type}: its shape is not that of its recorded version {event.version};"
                f" give it `version={newest + 1}`"
            )
    return sentences


def recorded(types: Iterable[EventType], record: Record, today: str) -> Record:
    """The record with the versions that are new."""
    versions: Record = {name: dict(of_type) for name, of_type in record.items()}
    for event in types:
        versions.setdefault(event.type, {}).setdefault(str(event.version), {"since": today, **shape(event)})
    return {name: versions[name] for name in sorted(versions)}


def render(types: Iterable[EventType], record: Record) -> str:
    """The page: a list of all types, then each with its fields, then the types of which only the record is left."""
    types = list(types)
    rows = [
        f"| [{event.type}](#{_anchor(event.type)}) | {event.version} | `{event.stream}` | {_first_sentence(event)} |"
        for event in types
    ]
    parts = [_HEAD + "\n".join(["| type | version | stream | what |", "|---|---|---|---|", *rows, ""])]
    parts += [_section(event, record[event.type]) for event in types]
    if gone := sorted(record.keys() - {event.type for event in types}):
        parts.append("## No longer emitted\n\n" + ", ".join(f"`{name}`" for name in gone) + "\n")
    return "\n".join(parts)


def _section(event: EventType, versions: dict[str, Shape]) -> str:
    since = ", ".join(f"version {number} since {of['since']}" for number, of in versions.items())
    about = [f"## {event.type}", "", _doc(event), "", f"Stream `{event.stream}`; {since}. Key: {_key(event)}."]
    if event.content != JSON:
        return "\n".join([*about, f"Payload: {event.content}.", ""])
    rows = [_row(event, field.name, required=field.default is MISSING) for field in _fields(event)]
    return "\n".join([*about, "", "| field | type | | meaning |", "|---|---|---|---|", *rows, ""])


def _row(event: EventType, name: str, *, required: bool) -> str:
    hint = _hint(event, name)
    meaning = hint.__metadata__[0]
    return f"| `{name}` | {_words(hint)} | {'' if required else 'optional'} | {meaning} |"


def _key(event: EventType) -> str:
    """What the field `key` means, or what the docstring of `event_key` says."""
    if "key" in {field.name for field in _fields(event)}:
        return str(_hint(event, "key").__metadata__[0])
    if not event.event_key.__doc__ or event.event_key is FeatureEvent.event_key:
        raise SystemExit(f"{event.type}: say in a docstring of `event_key` what the key is")
    return event.event_key.__doc__.strip().rstrip(".")


def _fields(event: EventType) -> tuple[Any, ...]:
    return fields(event)  # type: ignore[arg-type]


def _hint(event: EventType, name: str) -> Any:
    hint = get_type_hints(event, include_extras=True)[name]
    if not getattr(hint, "__metadata__", ()):
        raise SystemExit(f'{event.type}.{name} has no meaning: write `Annotated[..., "what it is"]`')
    return hint


def _words(hint: Any) -> str:
    """A field's type as the page and the record name it."""
    kind = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        words = [_words(member) for member in inner if member is not NoneType]
        return " or ".join([*words, *(["null"] if NoneType in inner else [])])
    if origin in (list, tuple):
        return f"list of {_words(inner[0])}"
    if origin in (dict, Mapping):
        return f"object of {_words(inner[1])}"
    if origin is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in inner)
    if kind not in _WORDS:
        raise SystemExit(
            f"{kind} cannot be the type of a field: use text, numbers, true and false, or lists or objects of them"
        )
    return _WORDS[kind]


def _doc(event: EventType) -> str:
    return "\n".join(line.strip() for line in (event.__doc__ or "").strip().splitlines())


def _first_sentence(event: EventType) -> str:
    return " ".join(_doc(event).split("\n\n")[0].split())


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _read_record(root: Path) -> Record:
    path = root / RECORD
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def main(arguments: list[str] | None = None, root: Path = DEPLOYMENT) -> int:
    """Write, or compare, the two files below `root`. 1 where a shape has changed without a new version."""
    parser = argparse.ArgumentParser(prog="python -m plugins.event_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is not up to date")
    options = parser.parse_args(arguments)
    types, record = load_types(), _read_record(root)
    if sentences := broken(types, record):
        sys.stderr.write("\n".join(sentences) + "\n")
        return 1
    new = recorded(types, record, datetime.now(UTC).date().isoformat())
    texts = {RECORD: json.dumps(new, indent=1) + "\n", PAGE: render(types, new)}
    stale = [path for path, text in texts.items() if not _is(root / path, text)]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path} is not up to date: run `make event-docs` and commit it\n")
        else:
            (root / path).write_text(texts[path], encoding="utf-8")
    return 1 if stale and options.check else 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
