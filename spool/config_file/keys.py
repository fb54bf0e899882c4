"""
What a field of a file of `config/` may be: metadata for `Annotated`, understood by pydantic, readable without it.

    @dataclass(frozen=True)
    class Stream(Block):
        topic: Annotated[str, Key("Kafka topic of the events")]
        partitions: Annotated[int, Key("partitions of the topic", above=0)] = 1

The hooks `__get_pydantic_core_schema__` and `__get_pydantic_json_schema__` are pydantic's documented protocol for
annotations. https://docs.pydantic.dev/latest/concepts/types/#customizing-validation-with-__get_pydantic_core_schema__
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_args, get_type_hints

from spool.config_file.yaml_text import Expanded

_INT = re.compile(r"[+-]?[0-9]+\Z")
_FLOAT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")
_STRICT = ("int", "float", "str", "bool")


class WrongKey(ValueError):
    """A value of `key` that is refused; the loader adds the file and the path of keys above it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Block:
    """
    Base of every mapping of a file. Unknown keys are refused and the known ones named.

    `refusals` is for rules between the fields of one block; it runs when each field by itself is right.
    `name_field` is the field that receives the block's name in an `Each`; the block itself may not have that key.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
    name_field: ClassVar[str] = ""

    def refusals(self) -> Iterable[WrongKey]:
        return ()

    @classmethod
    def known_keys(cls) -> list[str]:
        return [field.name for field in fields(cls)]  # type: ignore[arg-type]  # every Block is a dataclass

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        schema = core_schema.no_info_before_validator_function(cls._refuse_unknown, handler(source))
        return core_schema.no_info_after_validator_function(_refuse, schema)

    @classmethod
    def _refuse_unknown(cls, value: Any) -> Any:
        if isinstance(value, dict):
            known = cls.known_keys()
            for key in value:
                if key not in known:
                    shown = ", ".join(name for name in known if name != cls.name_field)
                    raise WrongKey(str(key), f"unknown key; known are {shown}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        described: dict[str, Any] = handler(schema)
        block = handler.resolve_ref_schema(described)
        block.pop("description", None)  # the docstring of the class speaks to programmers
        block["properties"].pop(cls.name_field, None)
        block["required"] = [key for key in block.get("required", []) if key != cls.name_field]
        return described


def _refuse(block: Block) -> Block:
    for refused in block.refusals():
        raise refused
    return block


@dataclass(frozen=True)
class Key:
    """
    One key of a block, or one item of a list.

    meaning            one sentence for docs/settings.md and for editors
    unit               such as `bytes` or `s`; empty where the value is no quantity
    above, at_least, at_most   limits of a number
    pattern, what      what a text must match from its first letter to its last, and how to say that
    items, items_max   how many items a list has at least, and at most
    """

    meaning: str = ""
    unit: str = ""
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    pattern: re.Pattern[str] | None = None
    what: str = ""
    items: int = 0
    items_max: int = 10_000

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        schema = handler(source)
        if schema["type"] in _STRICT:
            schema["strict"] = True
        if schema["type"] == "float":
            schema["allow_inf_nan"] = False
        if source in (int, float):
            number = _INT if source is int else _FLOAT
            schema = core_schema.no_info_before_validator_function(lambda value: _number(value, number, source), schema)
        return core_schema.no_info_after_validator_function(self._checked, schema)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        limits = {
            "description": self.meaning,
            "x-unit": self.unit,
            "exclusiveMinimum": self.above,
            "minimum": self.at_least,
            "maximum": self.at_most,
            "pattern": self.pattern and _json_pattern(self.pattern),
            "minItems": self.items or None,
        }
        return {**handler(schema), **{name: value for name, value in limits.items() if value not in (None, "")}}

    def _checked(self, value: Any) -> Any:
        if (message := self._complaint(value)) is not None:
            raise ValueError(f"{message}, is {value!a}")
        return value

    def _complaint(self, value: Any) -> str | None:
        if self.items and not self.items <= len(value) <= self.items_max:
            return f"must list {self.items} to {self.items_max:,}"
        if self.pattern is not None and not self.pattern.match(str(value)):
            return f"must be {self.what}"
        if self.at_least is not None and self.at_most is not None and not self.at_least <= value <= self.at_most:
            return f"must be {self.at_least:,} to {self.at_most:,}"
        if self.above is not None and not value > self.above:
            return f"must be above {self.above:,}"
        if self.at_least is not None and not value >= self.at_least:
            return f"must be at least {self.at_least:,}"
        if self.at_most is not None and not value <= self.at_most:
            return f"must be at most {self.at_most:,}"
        return None


def _json_pattern(pattern: re.Pattern[str]) -> str:
    """JSON Schema searches where Python's `match` begins at the first letter, and knows `$` only."""
    return "^(?:" + pattern.pattern.replace(r"\Z", "$") + ")"


def _number(value: Any, shape: re.Pattern[str], kind: type) -> Any:
    """A value that came through a variable is text; where a number is due, it is read as one."""
    return kind(value) if isinstance(value, Expanded) and shape.match(value) else value


@dataclass(frozen=True)
class Each:
    """
    A mapping of names to blocks or lists.

    pattern, what   what a name must match, and how to say that
    at_least, at_most   how many there may be; with `at_least=0` an empty key stands for none
    nothing         the message for fewer than `at_least`
    """

    pattern: re.Pattern[str]
    what: str
    meaning: str = ""
    at_least: int = 1
    at_most: int = 10_000
    nothing: str = "must name at least one"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        name_field = getattr(get_args(source)[1], "name_field", "")
        return core_schema.no_info_before_validator_function(
            lambda value: self._named(value, name_field), handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        names = {"pattern": _json_pattern(self.pattern)}
        return {**handler(schema), "description": self.meaning, "propertyNames": names}

    def _named(self, value: Any, name_field: str) -> Any:
        value = value if value or self.at_least else {}
        if not isinstance(value, dict):
            return value
        if not self.at_least <= len(value) <= self.at_most:
            few = len(value) < self.at_least
            raise ValueError(self.nothing if few else f"names {len(value):,}; at most {self.at_most:,} are allowed")
        for name in value:
            if not isinstance(name, str) or not self.pattern.match(name):
                raise WrongKey(str(name), f"{name!a} must be {self.what}")
        return {name: _with_name(block, name_field, name) for name, block in value.items()}


def _with_name(block: Any, name_field: str, name: str) -> Any:
    if not name_field or not isinstance(block, dict):
        return block
    if name_field in block:
        raise WrongKey(f"{name}.{name_field}", "unknown key; the name of the block stands above it")
    return {name_field: name, **block}


@dataclass(frozen=True)
class OneOf:
    """
    A union of blocks of which each lists its tags as a Literal of the field `tag`; `default` is the tag of a block
    that names none. Errors and schema are those of the block that the tag chooses.
    """

    tag: str
    default: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        kinds = {tag: kind for kind in get_args(source) for tag in _tags(kind, self.tag)}
        names = {tag: _tags(kind, self.tag)[0] for tag, kind in kinds.items()}  # a block with two tags is one choice
        schemas = dict(zip(get_args(source), handler(source)["choices"], strict=True))
        chosen = core_schema.tagged_union_schema(
            {name: schemas[kinds[name]] for name in names.values()},
            discriminator=lambda value: names[self._tag(value)],
        )
        return core_schema.no_info_before_validator_function(lambda value: self._known(value, kinds), chosen)

    def _tag(self, value: Any) -> str:
        return str(value.get(self.tag, self.default))

    def _known(self, value: Any, kinds: Mapping[str, type]) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"expected a mapping, is {value!a}")  # noqa: TRY004  pydantic reports a ValueError
        if self.tag not in value and not self.default:
            raise WrongKey(self.tag, f"is missing; known are {', '.join(kinds)}")
        if self._tag(value) not in kinds:
            raise WrongKey(self.tag, f"must be one of {', '.join(kinds)}, is {value[self.tag]!a}")
        return value


def _tags(kind: type, tag: str) -> tuple[str, ...]:
    return get_args(get_type_hints(kind)[tag])
