"""
Removes secrets from a value: from every string, key, byte string and integer in it, however deep.

What holds nothing stays the same object, so that what YAML shares stays shared, and each shared part is looked at once.
Paths show the names of fields only where these are plain words: a key is a stranger's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from include.measurements.sanitize.bridge_lines import may_mention
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.secret_forms import REDACTED
from include.measurements.sanitize.yaml_document import BadDocument

# Nothing shorter holds a secret, but an IPv6 address with `::` and what is escaped or raw.
MEANINGFUL_LENGTH = 7
_LEAST_ADDRESS = 1 << 24
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z_-]*[0-9]{0,2}\Z")
_PLAIN_KEY_LENGTH_MAX = 40
_PROBE_IP = re.compile(rb"[Pp][Rr][Oo][Bb][Ee][\s_-]*[Ii][Pp]")
_SHORT_FORMS = re.compile("::|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Touch(NamedTuple):
    """Rule `rule` changed the field at `path`, such as `requests.0.response.body`."""

    path: str
    rule: str


class Redaction:
    def __init__(self, secrets: ReportSecrets) -> None:
        self._known = secrets

    def may_touch(self, text: bytes) -> bool:
        """False: this text, which has no control characters, holds no secret and speaks of no bridge."""
        return self._known.scan.finds(text) or may_mention(text) or _PROBE_IP.search(text) is not None

    def redact(self, value: Any, path: str, touches: list[Touch]) -> Any:
        """UnmappedBridge where a text speaks of one; BadDocument(key_collision) where two keys would become one."""
        return _Walk(self._known, touches).redact(value, path)

    def strings(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Every string and key with its path, in which keys that are no plain words are numbered."""
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, bytes):
            yield path, value.decode("latin-1")
        elif isinstance(value, dict):
            for number, (key, item) in enumerate(value.items()):
                yield from self.strings(key, f"{path}.(key {number})")
                yield from self.strings(item, f"{path}.{shown_key(key, number)}")
        elif isinstance(value, list | tuple | set):
            for number, item in enumerate(value):
                yield from self.strings(item, f"{path}.{number}")


class _Walk:
    def __init__(self, secrets: ReportSecrets, touches: list[Touch]) -> None:
        self._known, self._touches = secrets, touches
        self._done: dict[int, tuple[Any, Any]] = {}

    def redact(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, bytes):
            return self._bytes(value, path)
        if isinstance(value, dict | list | tuple | set):
            if id(value) not in self._done:
                # The value is kept beside its result: its id stays its own.
                self._done[id(value)] = (value, self._collection(value, path))
            return self._done[id(value)][1]
        if isinstance(value, int) and value >= _LEAST_ADDRESS and self._known.secrets.found_in(str(value)):
            self._touches.append(Touch(path, "secret"))
            return REDACTED
        return value

    def _collection(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, path)
        new_items = [self.redact(item, f"{path}.{number}") for number, item in enumerate(value)]
        same = all(new is old for new, old in zip(new_items, value, strict=True))
        return value if same else type(value)(new_items)

    def _mapping(self, value: dict[Any, Any], path: str) -> dict[Any, Any]:
        new: dict[Any, Any] = {}
        same = True
        for number, (key, item) in enumerate(value.items()):
            new_key = self.redact(key, f"{path}.(key {number})")
            shown = shown_key(key, number) if new_key is key else REDACTED
            new_item = self.redact(item, f"{path}.{shown}" if path else shown)
            same = same and new_key is key and new_item is item
            new[new_key] = new_item
        if len(new) != len(value):
            raise BadDocument("key_collision")
        return value if same else new

    def _text(self, text: str, path: str) -> str:
        if len(text) < MEANINGFUL_LENGTH and not _SHORT_FORMS.search(text):
            return text
        if may_mention(text.encode("utf-8", "replace")):
            self._known.read(text, path)
        if not self._known.scan.finds_in_text(text):
            return text
        new = self._known.secrets.redact(text)
        if new is not text:
            self._touches.append(Touch(path, "secret"))
        return new

    def _bytes(self, content: bytes, path: str) -> bytes:
        if may_mention(content):
            self._known.read(content.decode("latin-1"), path)
        if not self._known.scan.finds_in_bytes(content):
            return content
        new = self._known.secrets.redact_bytes(content)
        if new is not content:
            self._touches.append(Touch(path, "secret"))
        return new


def shown_key(key: object, number: int) -> str:
    """The key where it is a plain word that says nothing of anybody, else its number."""
    if isinstance(key, str) and len(key) <= _PLAIN_KEY_LENGTH_MAX and _PLAIN_KEY.match(key):
        return key
    return f"(key {number})"
