"""
Tells in a fraction of the time that bytes hold no secret: 3 ms for a megabyte where the expressions of secret_forms.py
take 300 (measured on 20 MB of web pages in YAML).

Bytes are translated to classes, in which the shapes of secrets are plain strings that memmem finds. Only where a shape
is found do the exact expressions look, at its surroundings.
"""

from __future__ import annotations

import re

from include.measurements.sanitize.secret_forms import BRIDGE_LINE_WITHIN, Secrets

# Before and after a shape; the longest form around one is an address in full with its suffix.
_AROUND_BYTES = 64

_HEX_DIGITS = b"0123456789abcdefABCDEF"
_SPACES = b" \n\r\t"


def _classes(**members: bytes) -> bytes:
    """A translation table: each byte to the letter of its class, `x` for the rest."""
    table = bytearray(b"x" * 256)
    for letter, bytes_of_class in members.items():
        for byte in bytes_of_class:
            table[byte] = ord(letter)
    return bytes(table)


# h: hex digit, c: colon, s: between groups, p: point
_HEX = _classes(h=_HEX_DIGITS, c=b":", s=b"-", p=b".")
_HEX_SHAPES = (b"h" * 40, b"hhhhc" * 9, b"hhc" * 19, b"hhhhs" * 9, b"hhs" * 19)
_FOLD = re.compile(rb"[ \t\r]*\n\s*")
_GROUPS = re.compile(rb"[0-9A-Fa-f:]*")
_ARPA_SHAPE = b"hp" * 31
_SEVEN_COLONS = re.compile(rb"ch{1,4}ch{1,4}ch{1,4}ch{1,4}ch{1,4}c")
# d: digit, o: part of what may stand between the numbers of an address
_NUMBERS = _classes(d=b"0123456789", o=b".-_%[]()", e=b"eE")
_FOUR_NUMBERS = re.compile(rb"dd{0,2}o(?:de|o{0,2})d{1,3}o(?:de|o{0,2})d{1,3}o(?:de|o{0,2})d{1,3}")
_DOTTED = re.compile(rb"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){3}\Z")
# Next to these the four may be part of a longer row of numbers, in which another four are the address.
_BEFORE = frozenset(bytes([byte]) for byte in b"0123456789.-_")
_AFTER = _BEFORE | {b"[", b"(", b"%"}
_WORDS = _classes(b=b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_WORD_SHAPE = b"b" * 27


class SecretScan:
    """Of one set of secrets. `finds` is true wherever `Secrets.found_in` is: a test holds them to one another."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._v4 = frozenset(str(ip).encode() for ip in secrets.ips if ip.version == 4)
        self._last_groups = secrets.last_groups()

    def finds(self, content: bytes) -> bool:
        """Whether a form of a secret, or a bridge line, is in these bytes of text (UTF-8 or Latin-1)."""
        return self._finds_hex(content) or self._finds_words(content) or self._finds_numbers(content)

    def _finds_hex(self, content: bytes) -> bool:
        # Without spaces the groups of a fingerprint meet, however lines are folded between them.
        shapes = content.translate(_HEX, _SPACES)
        if b"hhhh" in shapes and any(shape in shapes for shape in _HEX_SHAPES):
            if _HEX_SHAPES[0] in shapes and BRIDGE_LINE_WITHIN.search(content.decode("latin-1")):
                return True
            # Folded lines are one line to a reader: between groups there must be one space.
            if self._found(_FOLD.sub(b" ", content)) or self._found(content):
                return True
        return bool(self._secrets.ips) and self._finds_v6(content, shapes)

    def _finds_v6(self, content: bytes, shapes: bytes) -> bool:
        if _ARPA_SHAPE in shapes or b"%3" in content or _SEVEN_COLONS.search(shapes):
            return self._found(content)
        at = content.find(b"::")
        while at >= 0:
            if self._may_be_v6(content, at):
                around = content[max(0, at - _AROUND_BYTES) : at + _AROUND_BYTES]
                if self._secrets.finds_v6(around.decode("latin-1")):
                    return True
            at = content.find(b"::", at + 2)
        return False

    def _may_be_v6(self, content: bytes, at: int) -> bool:
        """Whether one of the groups around `::` is the last of a secret address; between words hardly one is."""
        before = content[max(0, at - _AROUND_BYTES) : at]
        left = before[len(before.rstrip(_HEX_DIGITS + b":")) :]
        right = _GROUPS.match(content, at)
        assert right is not None
        for group in (left + right[0]).split(b":"):
            # What is no group makes the exact expression look: it may be the port, or the end of a word.
            if group and (len(group) > 4 or int(group, 16) in self._last_groups):
                return True
        return False

    def _finds_words(self, content: bytes) -> bool:
        shapes = content.translate(_WORDS)
        at = shapes.find(_WORD_SHAPE)
        while at >= 0:
            end = shapes.find(b"x", at)
            end = len(shapes) if end < 0 else end
            if self._secrets.finds_base64(content[at:end].decode("latin-1")):
                return True
            at = shapes.find(_WORD_SHAPE, end)
        return False

    def _finds_numbers(self, content: bytes) -> bool:
        if not self._v4:
            return False
        for match in _FOUR_NUMBERS.finditer(content.translate(_NUMBERS)):
            start, end = match.span()
            joined = content[max(0, start - 1) : start] in _BEFORE or content[end : end + 1] in _AFTER
            if not joined and _DOTTED.match(content, start, end):
                # As almost all are written: the text itself tells.
                if content[start:end] in self._v4:
                    return True
                continue
            around = content[max(0, start - _AROUND_BYTES) : end + _AROUND_BYTES]
            if self._secrets.finds_v4(around.decode("latin-1")):
                return True
        return False

    def _found(self, content: bytes) -> bool:
        return self._secrets.found_in(content.decode("latin-1"))
