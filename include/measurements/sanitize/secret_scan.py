"""
Says in a fraction of the time that bytes hold no secret: some 5 ms for a megabyte where the expressions take a second.

Bytes are translated to classes, in which the shapes of secrets are plain strings that memmem finds. Only where a shape
is found do the exact forms look, at its surroundings. Where an escape stands in or beside what may be a part of a
secret, its surroundings are decoded and looked at.
"""

from __future__ import annotations

import re
import unicodedata

from include.measurements.sanitize.escape_scan import escaped_places, levels, with_plain_base64
from include.measurements.sanitize.escapes import plain_character
from include.measurements.sanitize.fingerprint_forms import HEX_DIGITS, may_have_digits
from include.measurements.sanitize.raw_forms import CONTROLS
from include.measurements.sanitize.secret_forms import Secrets

# Before and after a shape; the longest form around one that is not escaped is an address in full with its suffix.
_AROUND_BYTES = 80
# Before and after a run of escapes: what else of the form is not escaped, or in another way.
_AROUND_ESCAPES = 1024
# More places than these with escapes that may be part of a secret, and the whole is looked at.
_PLACES_MAX = 8
# An escape that is broken by a character that no reader sees.
_BROKEN_ESCAPE = re.compile("[\\\\%&#xu][\u00ad\u200b-\u200f\u2060\ufeff]|\\\\[^\\x00-\\x7f]")
_DIGITS = b"0123456789"


def _classes(**members: bytes) -> bytes:
    """A translation table: each byte to the letter of its class, `x` for the rest."""
    table = bytearray(b"x" * 256)
    for letter, bytes_of_class in members.items():
        for byte in bytes_of_class:
            table[byte] = ord(letter)
    return bytes(table)


# h: hexadecimal digit, c: what may stand for the colon of an IPv6 address, p: point
_HEX = _classes(h=HEX_DIGITS, c=b":-_", p=b".")
_SHORTENED = re.compile(rb"::|[0-9A-Fa-f](?:--|__)(?![-_])")
_GROUPS = re.compile(rb"[0-9A-Fa-f:_-]*")
_ARPA_SHAPE = b"hp" * 31
_SEVEN_COLONS = re.compile(rb"ch{1,4}ch{1,4}ch{1,4}ch{1,4}ch{1,4}c")
_EIGHT_DIGITS = b"h" * 8
_NUMBER_IN_HEX = re.compile(rb"0[xX][0-9A-Fa-f]")
_SPELLED_DOT = re.compile(rb"[0-9A-Fa-f][ \[({<]{0,2}[dD][oO][tT]")
# d: digit, o: part of what may stand between the numbers of an address
_NUMBERS = _classes(d=_DIGITS, o=b".-_,:;|/+*[](){}<> ")
_FOUR_NUMBERS = re.compile(rb"dd{0,3}oo{0,4}dd{0,3}oo{0,4}dd{0,3}oo{0,4}d{1,4}")
_DOTTED = re.compile(rb"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){3}\Z")
# Next to these the four may be part of a longer row of numbers, in which another four are the address.
_JOINED = frozenset(bytes([byte]) for byte in b"0123456789.-_,:;|/+*[](){}<> ")
_WORDS = _classes(b=b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_WORD_SHAPE = b"b" * 26


class SecretScan:
    """Of one set of secrets. `finds` is true wherever `Secrets.found_in` is: tests hold them to one another."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._addresses = secrets.addresses

    def finds_in_text(self, text: str) -> bool:
        """Whether a form of a secret is in this text."""
        if CONTROLS.search(text):
            return self._secrets.found_in(text)
        if not text.isascii() and _OTHER_CHARACTERS.search(text):
            plain = _OTHER_CHARACTERS.sub(lambda other: plain_character(other[0]), text)
            if self.finds(plain.encode("utf-8", "replace")):
                return True
            if _BROKEN_ESCAPE.search(text):
                return self._secrets.found_in(text)
        return self.finds(text.encode("utf-8", "replace"))

    def finds_in_bytes(self, content: bytes) -> bool:
        """Whether a form of a secret is in this byte string, as text or as bytes."""
        if self._secrets.raw.may_be_in(content) or self.finds(content):
            return True
        if content.isascii():
            return False
        plain = content.translate(_LATIN, _LATIN_INVISIBLE)
        if plain != content and self.finds(plain):
            return True
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return False
        return self.finds_in_text(text)

    def finds(self, content: bytes) -> bool:
        """Whether a form of a secret is in these bytes of text (UTF-8 or Latin-1), which has no control characters."""
        return (
            self._finds_hex(content)
            or self._finds_words(content)
            or self._finds_numbers(content)
            or self._finds_escaped(content)
            or any(literal.encode() in content for literal in self._secrets.literals)
        )

    def _finds_hex(self, content: bytes) -> bool:
        if may_have_digits(content) and self._secrets.prints.found_in(content.decode("latin-1")):
            return True
        if not self._secrets.ips:
            return False
        shapes = content.translate(_HEX)
        return self._finds_v6(content, shapes) or self._finds_whole_numbers(content, shapes)

    def _finds_v6(self, content: bytes, shapes: bytes) -> bool:
        if _ARPA_SHAPE in shapes or _SEVEN_COLONS.search(shapes):
            return self._addresses.v6_found(content.decode("latin-1"))
        for match in _SHORTENED.finditer(content):
            if self._may_be_v6(content, match.end() - 2):
                around = content[max(0, match.end() - _AROUND_BYTES) : match.end() + _AROUND_BYTES]
                if self._addresses.v6_found(around.decode("latin-1")):
                    return True
        return False

    def _may_be_v6(self, content: bytes, at: int) -> bool:
        """Whether one of the groups around `::` shows an address; between words almost none does."""
        before = content[max(0, at - _AROUND_BYTES) : at]
        left = before[len(before.rstrip(HEX_DIGITS + b":-_")) :]
        right = _GROUPS.match(content, at)
        assert right is not None
        if content.startswith(b".", right.end()):
            # Its last two groups are written as an IPv4 address.
            return True
        for group in (left + right[0]).replace(b"-", b":").replace(b"_", b":").split(b":"):
            # What is no group makes the exact expression look: it may be the port, or the end of a word.
            if group and (len(group) > 4 or int(group, 16) in self._addresses.telling_groups):
                return True
        return False

    def _finds_whole_numbers(self, content: bytes, shapes: bytes) -> bool:
        at = shapes.find(_EIGHT_DIGITS)
        while at >= 0:
            end = at + len(_EIGHT_DIGITS)
            while shapes.startswith(b"h", end):
                end += 1
            if end - at <= 45 and self._whole_number_found(content, at, end):
                return True
            at = shapes.find(_EIGHT_DIGITS, end)
        return any(
            self._whole_number_found(content, match.start(), match.end()) for match in _NUMBER_IN_HEX.finditer(content)
        )

    def _whole_number_found(self, content: bytes, start: int, end: int) -> bool:
        around = content[max(0, start - 8) : end + 40].decode("latin-1")
        return self._addresses.whole_number_found(around) or self._addresses.four_numbers_found(around)

    def _finds_words(self, content: bytes) -> bool:
        shapes = content.translate(_WORDS)
        at = shapes.find(_WORD_SHAPE)
        while at >= 0:
            end = shapes.find(b"x", at)
            end = len(shapes) if end < 0 else end
            if self._secrets.prints.base64_found(content[at:end].decode("latin-1")):
                return True
            at = shapes.find(_WORD_SHAPE, end)
        return False

    def _finds_numbers(self, content: bytes) -> bool:
        if not self._addresses.dotted:
            return False
        for match in _FOUR_NUMBERS.finditer(content.translate(_NUMBERS)):
            start, end = match.span()
            joined = content[max(0, start - 1) : start] in _JOINED or content[end : end + 1] in _JOINED
            if not joined and _DOTTED.match(content, start, end):
                # As almost all are written: the text itself decides.
                if content[start:end] in self._addresses.dotted:
                    return True
                continue
            if self._addresses.four_numbers_found(
                content[max(0, start - _AROUND_BYTES) : end + _AROUND_BYTES].decode("latin-1")
            ):
                return True
        return any(
            self._addresses.four_numbers_found(
                content[max(0, match.start() - _AROUND_BYTES) : match.end() + _AROUND_BYTES].decode("latin-1")
            )
            for match in _SPELLED_DOT.finditer(content)
        )

    def _finds_escaped(self, content: bytes) -> bool:
        return any(map(self._finds_in_level, levels(content)))

    def _finds_in_level(self, content: bytes) -> bool:
        if self._finds_words(with_plain_base64(content)):
            return True
        for count, (start, end) in enumerate(escaped_places(content)):
            if count == _PLACES_MAX:
                return self._secrets.found_in(content.decode("latin-1"))
            around = content[max(0, start - _AROUND_ESCAPES) : end + _AROUND_ESCAPES]
            if self._secrets.found_in(around.decode("latin-1")):
                return True
        return False


def _other_characters() -> re.Pattern[str]:
    """Characters beyond ASCII that a reader takes for ASCII, or does not see."""
    numbers = [n for n in range(0x80, 0x20000) if _stands_for_ascii(chr(n))]
    return re.compile("[" + "".join(map(re.escape, map(chr, numbers))) + "]")


def _stands_for_ascii(character: str) -> bool:
    return unicodedata.category(character) != "Cs" and plain_character(character).isascii()


_OTHER_CHARACTERS = _other_characters()
_LATIN = bytes(ord(plain_character(chr(n)) or "x") if n > 0x7F and _stands_for_ascii(chr(n)) else n for n in range(256))
_LATIN_INVISIBLE = bytes(n for n in range(0x80, 256) if plain_character(chr(n)) == "")
