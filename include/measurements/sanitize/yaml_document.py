"""
One document to values, equal to what PyYAML's CSafeLoader gives, or BadDocument.

CSafeLoader alone would fold duplicate keys, follow merge keys without end, and overrun the stack at deep nesting. So
before it builds anything the size of what it will build is known, and after each mapping its keys are counted.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from yaml._yaml import CParser
from yaml.nodes import MappingNode, Node, ScalarNode

Reason = Literal[
    "syntax", "tag", "value", "unhashable_key", "duplicate_key", "key_collision", "depth", "nodes", "size",
    "alias_bomb", "alias_cycle", "merge_bomb", "memory", "time", "crashed", "truncated", "unframed", "not_a_mapping",
    "cannot_write",
]  # fmt: skip

# Nobody writes these by accident: a report that has one as its header is held, not merely failed.
HOSTILE = frozenset(
    ("duplicate_key", "depth", "nodes", "size", "alias_bomb", "alias_cycle", "merge_bomb", "memory", "time", "crashed")
)

_MERGE = "tag:yaml.org,2002:merge"
_LINE_START = re.compile(rb"(?m)^[ \-?:]+")
# Below these a document cannot be nested deeper than libyaml's recursion bears, whatever its brackets mean; above
# them its events are counted. Measured: CSafeLoader overruns an 8 MB stack at some 20,000 levels.
_BRACKETS_HARMLESS = 1000
_INDENT_HARMLESS = 200


@dataclass(frozen=True)
class DocumentLimits:
    """
    depth      levels of collections
    nodes      scalars and collections, each alias counted as often as what it stands for
    """

    depth: int = 64
    nodes: int = 100_000


class BadDocument(Exception):
    """A document that is left out. The text of a parser's message may hold contents, so only `reason` is reported."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def load(content: bytes, limits: DocumentLimits) -> Any:
    """
    The value of the one document in `content`; None for an empty one.

    MemoryError passes: whether it is the document's fault or the machine's is decided outside the sandbox.
    """
    try:
        _check_size(content, limits)
        loader = _Loader(content)
        try:
            return _construct(loader, content, limits)
        finally:
            loader.dispose()
    except yaml.constructor.ConstructorError as error:
        raise BadDocument(_constructor_reason(error)) from None
    except (yaml.YAMLError, UnicodeError):
        raise BadDocument("syntax") from None
    except RecursionError:
        raise BadDocument("depth") from None
    except (ValueError, TypeError, OverflowError, KeyError, AttributeError, ArithmeticError):
        # Scalars that look like a number or a time and are none, such as 0x_ and 2001-99-99.
        raise BadDocument("value") from None


def _check_size(content: bytes, limits: DocumentLimits) -> None:
    indent = max(map(len, _LINE_START.findall(content)), default=0)
    if content.count(b"[") + content.count(b"{") > _BRACKETS_HARMLESS or indent > _INDENT_HARMLESS:
        _check_events(content, limits)
    elif len(content) > limits.nodes and CParser(content).raw_parse() > limits.nodes:
        # Events are more than nodes; libyaml counts them at 50 MB/s, Python objects of them come at 18.
        _check_events(content, limits)


def _check_events(content: bytes, limits: DocumentLimits) -> None:
    depth = nodes = 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.events.NodeEvent)
        if depth > limits.depth:
            raise BadDocument("depth")
        if nodes > limits.nodes:
            raise BadDocument("nodes")


def _construct(loader: _Loader, content: bytes, limits: DocumentLimits) -> Any:
    node = loader.get_single_node()
    if node is None:
        return None
    if b"*" in content or b"<<" in content or b"!" in content:
        # What aliases and merge keys multiply must be counted before it is built.
        loader.counts_keys = False
        _Graph(loader, limits).check(node)
    value = loader.construct_document(node)
    _check_depth(value, limits.depth)
    return value


def _check_depth(value: Any, most: int) -> None:
    level = [value]
    for _ in range(most + 1):
        level = [item for part in level for item in _parts(part)]
        if not level:
            return
    raise BadDocument("depth")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [v for v in value.values() if isinstance(v, dict | list | tuple)]
    if isinstance(value, list | tuple):
        return [v for v in value if isinstance(v, dict | list | tuple)]
    return []


class _Loader(yaml.CSafeLoader):
    counts_keys = True

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        pairs = len(node.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        if self.counts_keys and len(mapping) != pairs:
            raise BadDocument("duplicate_key")
        return mapping


class _Graph:
    """Nodes as a graph: counts as if every alias were written out, finds cycles and keys given twice."""

    def __init__(self, loader: _Loader, limits: DocumentLimits) -> None:
        self._loader = loader
        self._limits = limits
        self._sizes: dict[int, int] = {}  # 0: being counted
        self._merged: dict[int, int] = {}

    def check(self, root: Node) -> None:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, counted = stack.pop()
            if counted:
                self._count(node)
            elif id(node) not in self._sizes:
                self._sizes[id(node)] = 0
                stack.append((node, True))
                stack += [(child, False) for child in _children(node)]
            elif self._sizes[id(node)] == 0 and self._is_open(node, stack):
                raise BadDocument("alias_cycle")

    @staticmethod
    def _is_open(node: Node, stack: list[tuple[Node, bool]]) -> bool:
        return any(other is node and counted for other, counted in stack)

    def _count(self, node: Node) -> None:
        size = 1 + sum(self._sizes[id(child)] for child in _children(node))
        if size > self._limits.nodes:
            raise BadDocument("alias_bomb")
        self._sizes[id(node)] = size
        if isinstance(node, MappingNode):
            self._check_keys(node)
            self._count_merged(node)

    def _check_keys(self, node: MappingNode) -> None:
        keys = [self._loader.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
        try:
            if len(set(keys)) != len(keys):
                raise BadDocument("duplicate_key")
        except TypeError:
            raise BadDocument("unhashable_key") from None

    def _count_merged(self, node: MappingNode) -> None:
        pairs = 0
        for key, value in node.value:
            if key.tag != _MERGE:
                pairs += 1
                continue
            for source in (value,) if isinstance(value, MappingNode) else value.value:
                pairs += self._merged.get(id(source), 0)
        if pairs > self._limits.nodes:
            raise BadDocument("merge_bomb")
        self._merged[id(node)] = pairs


def _children(node: Node) -> list[Node]:
    if isinstance(node, ScalarNode):
        return []
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)


def _constructor_reason(error: yaml.constructor.ConstructorError) -> Reason:
    problem = str(error.problem)
    if problem.startswith("could not determine a constructor"):
        return "tag"
    return "unhashable_key" if problem.startswith("found unhashable key") else "value"
