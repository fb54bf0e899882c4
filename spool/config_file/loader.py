"""
From a file of `config/` to a frozen value, or a SettingsError with one line for each key that is wrong:

    config/spool.yml: streams.events.partitions: expected int, is 'four' (line 14)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from spool.config_file.keys import WrongKey
from spool.config_file.yaml_text import NotConfiguration, line_of, parse
from spool.errors import SettingsError

_DEPLOYMENT = Path(__file__).parents[2]
_ERRORS_SHOWN = 10
_VALUE_SHOWN = 80

_EXPECTED = {
    "int": "int",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "dataclass": "a mapping",
    "path": "text",
}

T = TypeVar("T")


def load(path: Path, kind: type[T], *, version: int, environment: Mapping[str, str] | None = None, hint: str = "") -> T:
    """
    Read `path` as `kind`, a dataclass that inherits from Block. `version` is the format that the file must state.

    With an environment, `${NAME}` and `${NAME:-default}` in its texts are replaced. SettingsError names the file,
    the path of keys and the line, for every key that is wrong.
    """
    text = _text(path, hint)
    try:
        document = parse(text, environment)
    except NotConfiguration as error:
        raise refusal(path, error.place, str(error), hint) from None
    if not isinstance(document, dict):
        raise refusal(path, (), "expected a mapping with the key version", hint)
    if type(document.get("version")) is not int or document["version"] != version:
        stated = f"is {_shown(document['version'])}" if "version" in document else "is missing"
        raise refusal(path, ("version",), f"{stated}, this program reads {version}", hint)
    del document["version"]
    return _validated(document, kind, shown_path(path), hint, text)


def check(document: Mapping[str, Any], kind: type[T], *, source: str, hint: str = "") -> T:
    """The same for values that come from elsewhere, such as the conf of a DAG run; `source` takes the file's place."""
    return _validated(dict(document), kind, source, hint, None)


def refusal(path: Path, place: Iterable[Any], message: str, hint: str = "") -> SettingsError:
    """The error for one key, for rules that need more than the file. `place` is the path of keys."""
    return SettingsError(": ".join(filter(None, (shown_path(path), _dotted(place), message))), hint=hint)


def shown_path(path: Path) -> str:
    """Relative to the deployment where the file belongs to it."""
    return str(path.relative_to(_DEPLOYMENT) if path.is_relative_to(_DEPLOYMENT) else path)


def _text(path: Path, hint: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"{shown_path(path)} does not exist", hint=hint) from None
    except UnicodeDecodeError as error:
        raise refusal(path, (), f"not UTF-8: {error.reason} at byte {error.start}", hint) from None
    except OSError as error:
        raise refusal(path, (), f"cannot be read: {error.strerror}", hint) from None


_ADAPTERS: dict[Any, Any] = {}


def adapter(kind: Any) -> Any:
    """The pydantic TypeAdapter of `kind`; it is built once, because building costs more than checking."""
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _validated(document: dict[Any, Any], kind: type[T], source: str, hint: str, text: str | None) -> T:
    from pydantic import ValidationError

    try:
        value: T = adapter(kind).validate_python(document)
        return value
    except ValidationError as error:
        problems = [_problem(details, document) for details in error.errors(include_url=False)]
    lines = [_line(source, place, message, text) for place, message in problems[:_ERRORS_SHOWN]]
    if len(problems) > _ERRORS_SHOWN:
        lines.append(f"{source}: and {len(problems) - _ERRORS_SHOWN} more")
    raise SettingsError("\n".join(lines), hint=hint)


def _line(source: str, place: tuple[Any, ...], message: str, text: str | None) -> str:
    number = line_of(text, place) if text is not None else None
    where = f" (line {number})" if number else ""
    return ": ".join(filter(None, (source, _dotted(place), message))) + where


def _problem(details: Any, document: Any) -> tuple[tuple[Any, ...], str]:
    """The path of keys as the writer of the file knows it, and the message."""
    place = _place(details["loc"], document, last_is_key=details["type"] == "missing")
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, WrongKey):
        return (*place, cause.key.rstrip()), str(cause)
    return place, str(cause) if cause is not None else _message(details)


def _message(details: Any) -> str:
    kind: str = details["type"]
    if kind == "missing":
        return "is missing"
    shown = _shown(details["input"])
    if kind == "literal_error":
        expected = details["ctx"]["expected"].replace("'", "")
        return f"must be {expected}, is {shown}"
    name = _EXPECTED.get(kind.split("_")[0])
    return f"expected {name}, is {shown}" if name else f"{details['msg']}, is {shown}"


def _place(location: tuple[Any, ...], document: Any, *, last_is_key: bool) -> tuple[Any, ...]:
    """The location that pydantic reports, without the tags of unions, which are no keys of the file."""
    place: list[Any] = []
    for number, part in enumerate(location):
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            if not (last_is_key and number == len(location) - 1):
                continue
        place.append(part)
    return tuple(place)


def _dotted(place: Iterable[Any]) -> str:
    return ".".join(map(str, place))


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= _VALUE_SHOWN else f"{text[: _VALUE_SHOWN - 3]}..."
