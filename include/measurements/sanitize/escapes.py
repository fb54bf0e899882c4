r"""
Text as its reader sees it: escapes decoded, with the place in the original of every character.

A secret in a URL, a page or a JSON string may be written with escapes, or stand directly behind one, so that the digits
of the escape seem to be its own: `%221.2.3.4%22`. What is found in the decoded text is redacted in the original.

    %2E %u002E %EF%BC%8E        URLs; also encoded twice, %252E
    &#46; &#x2e; &period;       HTML
    \u002e \x2e \056 \. \/     JSON and program text; \u{2e}
    full-width and other digits, full stops of other scripts, invisible characters between
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from html.entities import html5
from typing import NamedTuple

# An escape of an escape of an escape: JSON in a script in a page in a URL.
LEVELS_MAX = 4

# Of which a broken escape is still read as one: a backslash, some of these, then `u0031`.
_UNSEEN = r"[\u00ad\u200b-\u200f\u2060\ufeff]"
_BROKEN = rf"{_UNSEEN}+(?:u(?:{_UNSEEN}*[0-9A-Fa-f]){{4}}|x(?:{_UNSEEN}*[0-9A-Fa-f]){{2}})"
_ESCAPE = re.compile(
    r"%u([0-9A-Fa-f]{4})|(?P<utf8>%(?:[Cc][2-9A-Fa-f]|[DdEe][0-9A-Fa-f]|[Ff][0-4])(?:%[89ABab][0-9A-Fa-f]){1,3})"
    r"|%([0-9A-Fa-f]{2})|\\u\{0*([0-9A-Fa-f]{1,6})\}|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})"
    r"|\\x([0-9A-Fa-f]{2})|&#[xX]0*([0-9A-Fa-f]{1,6});?"
    r"|(?P<decimal>&#0*[0-9]{1,7};?)|(?P<octal>\\[0-3]?[0-7]{2})|(?P<entity>&[A-Za-z]{2,12};)"
    rf"|(?P<backslash>\\(?!{_BROKEN})[^0-9A-Za-z])|(?P<control>\\[abefnrtv0])|(?P<character>[^\x00-\x7f])"
)
_DIGITS = re.compile(r"[0-9]+")
_CONTROLS = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_FULL_STOPS = frozenset("\u3002\uff61\u2024\u00b7\u066b\u30fb")
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")


class Decoded(NamedTuple):
    """`places[n]` is where character n begins in the original; one more for the end."""

    text: str
    places: array[int]


def views(text: str) -> Iterator[Decoded | None]:
    """None for the text as it is, then one for each level of escapes in it."""
    yield None
    decoded = _decode(text)
    for _ in range(LEVELS_MAX):
        if decoded is None:
            return
        yield decoded
        further = _decode(decoded.text)
        if further is not None:
            further = Decoded(further.text, array("L", (decoded.places[place] for place in further.places)))
        decoded = further


def plain_character(character: str) -> str:
    """The ASCII character that a reader takes it for, empty for an invisible one, itself for any other."""
    if character in _INVISIBLE:
        return ""
    if character in _FULL_STOPS:
        return "."
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() else character


def _decode(text: str) -> Decoded | None:
    """None where nothing is escaped."""
    parts: list[str] = []
    places = array("L")
    at = 0
    for match in _ESCAPE.finditer(text):
        character = _meaning(match)
        if character is None or character == match[0]:
            continue
        start, end = match.span()
        parts += (text[at:start], character)
        places.extend(range(at, start))
        places.extend([start] * len(character))
        at = end
    if not at:
        return None
    places.extend(range(at, len(text) + 1))
    return Decoded("".join((*parts, text[at:])), places)


def _meaning(match: re.Match[str]) -> str | None:
    kind = match.lastgroup
    if kind == "character":
        return plain_character(match[0])
    if kind == "utf8":
        return _utf8(match[0])
    if kind == "entity":
        return html5.get(match[0][1:])
    if kind == "backslash":
        return match[0][1]
    if kind == "control":
        return _CONTROLS[match[0][1]]
    if kind == "octal":
        return chr(int(match[0][1:], 8))
    if kind == "decimal":
        digits = _DIGITS.search(match[0])
        return _character(int(digits[0])) if digits else None
    assert match.lastindex is not None
    return _character(int(match[match.lastindex], 16))


def _utf8(escapes: str) -> str:
    """Escapes of UTF-8 are one character, which is looked at in the same step: `%EF%BC%91` is a full-width 1."""
    content = bytes.fromhex(escapes.replace("%", ""))
    try:
        return "".join(map(plain_character, content.decode()))
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _character(number: int) -> str | None:
    return chr(number) if number < 0x110000 else None
