"""
Recognises documents that need no parser, because one like it was parsed before.

The entries of a report differ in their values, rarely in their structure. So a document in the narrow YAML that
ooniprobe writes is reduced to its outline: keys, dashes and indents; each value becomes nothing. If a document with
the same outline was parsed and found good, this one is good too, and has the same structure:

    requests:                         requests:
    - request: {method: GET}          - request:{method}
      response:                         response:
        body: "<html> ...               body:v
        code: 200                       code:v

What counts as a value here is so narrow that any value may stand for any other: it is a whole line (or lines, where
quoted), cannot be continued, cannot be a key, and PyYAML cannot fail to construct it. A line in any other form, and
every anchor, alias, tag but !!binary and !!set, comment, literal block, tab, control or non-ASCII byte makes the
document one for the parser. Escapes that stand for printable ASCII or for a control character do too, and backslashes
outside double quotes: what is left is decoded here, so that the scan for secrets sees what a reader sees.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from include.measurements.sanitize.escapes import plain_character

OUTLINES_MAX = 10_000
OUTLINE_BYTES_MAX = 8192

_NUMBER = r"-?[0-9]{1,18}(?:\.[0-9]{1,20}(?:e-?[0-9]{1,3})?)?"
_DATE = (
    r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z?)?"
)
_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?"
# Begins with a letter, so it is text, true, false or null. A colon or # only where it cannot mean a key or a comment.
_PLAIN_START = r"(?:[A-Za-z/]|<[A-Za-z])"
_COLON = r":(?=[A-Za-z0-9/._=+-])"
_SHARP = r"(?<=[A-Za-z0-9/=])#"
_LINE_PLAIN = rf"{_PLAIN_START}(?:[A-Za-z0-9 /_.()+;<>=~$@^?*&!|%'\"\-,\[\]{{}}]|{_COLON}|{_SHARP})*+"
_FLOW_PLAIN = (
    rf"{_PLAIN_START}(?:[A-Za-z0-9/_.()+;<>=~$@^*&!|%'\"\-]++|\?(?=[A-Za-z0-9])|{_COLON}|{_SHARP}"
    r"| (?=[^ \n])|\n +(?=[A-Za-z0-9(;/]))*+"
)
_ESCAPE = (
    r"\\(?:[ntr\"\\/ _LP]|\n *|x[A-F][0-9A-F]|u00[A-F][0-9A-F]|u0[1-9A-F][0-9A-F]{2}|u[1-9A-CEF][0-9A-F]{3}"
    r"|uD[0-7][0-9A-F]{2}|U000[1-9A-F][0-9A-F]{4})"
)
_DOUBLE = rf"\"(?:[ !#-\[\]-~]++|{_ESCAPE}|\n+ +)*+\""
_SINGLE = r"'(?:[ -&(-\[\]-~]++|''|\n+ +)*+'"
_ITEM = rf"(?:{_NUMBER}(?=[,\]}}])|{_DATE}(?=[,\]}}])|{_ADDRESS}(?=[,\]}}])|{_DOUBLE}|{_SINGLE}|{_FLOW_PLAIN})"
_NEXT = r",(?: |\n +)"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,200}"
_PAIR = rf"{_KEY}:(?: |\n +){_ITEM}"
_FLOW_LIST = rf"\[(?:{_ITEM}(?:{_NEXT}{_ITEM})*+)?\]"
_FLOW_MAPPING = rf"\{{(?:{_PAIR}(?:{_NEXT}{_PAIR})*+)?\}}"
_BASE64 = r"!!binary \|\n( +)[A-Za-z0-9+/=]+\n(?:\4[A-Za-z0-9+/=]+\n)*+(?!\4)"
_VALUE = rf"(?:{_NUMBER}|{_DATE}|{_ADDRESS}|{_DOUBLE}|{_SINGLE}|{_FLOW_LIST}|{_LINE_PLAIN})(?=\n)"

# 1 indent and dashes, 2 key with its colon, 3 the space before its value, 4 indent of base64, 5 flow mapping
_LINE = re.compile(
    rf"( *(?:- )*)(?:({_KEY}:)(?:( )|(?=\n)))?"
    rf"(?:{_VALUE}\n|{_BASE64}|(?:!!set )?({_FLOW_MAPPING})\n|(?(2)(?<=:)\n|(?!)))".encode()
)
_FLOW_KEYS = re.compile(rf"[{{,]\s*({_KEY}):(?=[ \n])".encode())
_MAPPING = re.compile(_FLOW_MAPPING.encode())
_BINARY = re.compile(rb"!!binary \|\n((?: +[A-Za-z0-9+/=]+\n)+)")
_JOINED = re.compile(rb"\\\n *")
_FOLDED = re.compile(rb"\n+ +")
_ESCAPED = re.compile(rb"\\(?:x[0-9A-F]{2}|u[0-9A-F]{4}|U[0-9A-F]{8})")
_LINE_ENDS = re.compile(rb"\\[nrLP]")
_BLANKS = re.compile(rb"\\[t _]")
_MARKS = re.compile(rb"\\(?=[\"/])")
# Stands for a character beyond ASCII: no part of any form, in UTF-8 as in Latin-1.
_OTHER = b"\xc2\xa4"
# Items of a list that are alike, written out once: a first line with a dash, and the lines below it.
_REPEATED = re.compile(rb"(\x00( *)- [^\n]*\n(?:\x00\2  [^\n]*\n){0,6}?)\1+")
_OUTLINE_LINE = re.compile(rb"\x00( *)((?:- )*)([^\n]*)\n")

_BEGIN, _END = b"---\n", b"...\n"
# Of a document that is one flow mapping PyYAML writes the beginning into the same line.
_BEGINS = (_BEGIN, b"--- {")


class Outlines:
    """The outlines of good documents. Values are text: nothing here parses what is not in the form above."""

    def __init__(self) -> None:
        self._good: set[bytes] = set()

    def knows(self, outline: bytes) -> bool:
        return outline in self._good or (len(outline) <= OUTLINE_BYTES_MAX and _shortened(outline) in self._good)

    def learn(self, outline: bytes) -> None:
        """The document it is of was parsed, is a mapping, and needs no change."""
        if len(outline) > OUTLINE_BYTES_MAX or not _is_sane(outline):
            return
        if len(self._good) >= OUTLINES_MAX:
            self._good.clear()
        self._good.update((outline, _shortened(outline)))


def outline_of(content: bytes, nodes_max: int) -> bytes | None:
    """None for a document that is not in the form above, or may have more than `nodes_max` nodes."""
    if not content.startswith(_BEGINS) or not content.endswith(_END) or b"\0" in content:
        return None
    body = content[len(_BEGIN) : -len(_END)]
    if len(body) > nodes_max and 4 * body.count(b"\n") + 2 * body.count(b",") > nodes_max:
        return None
    parts: list[bytes] = []
    # Each line must begin where the one before ended: what is no line of ours ends the loop early.
    next_line, end = _LINE.scanner(body).match, 0  # type: ignore[attr-defined]
    while line := next_line():
        parts += (b"\0", *line.groups(b""), b"\n")
        end = line.end()
    return _with_flow_keys(b"".join(parts)) if end == len(body) else None


def byte_strings(content: bytes) -> Iterator[bytes]:
    """The byte strings of a document that has an outline; ValueError where the base64 is none."""
    if b"!!binary" in content:
        for block in _BINARY.finditer(content):
            yield binascii.a2b_base64(block[1])


def scannable(content: bytes) -> Iterator[bytes]:
    """
    The text of a document that has an outline as its reader sees it: lines joined, escapes decoded, no byte strings.

    ValueError where the parser must look: a character that no reader sees.
    """
    if b"!!binary" in content:
        content = _BINARY.sub(b"", content)
    if b"\\" in content:
        # A pair of backslashes is one, and begins no other escape; a zero byte is in no outline.
        yield from _unescaped(_JOINED.sub(b"", content.replace(b"\\\\", b"\0")))
    else:
        yield _FOLDED.sub(b" ", content)


def _unescaped(content: bytes) -> Iterator[bytes]:
    content = _MARKS.sub(b"", _BLANKS.sub(b" ", _LINE_ENDS.sub(b"\n", content)))
    escapes = set(_ESCAPED.findall(content))
    if escapes:
        plain = content
        for escape in escapes:
            if (character := _plain(escape)) is not None:
                plain = plain.replace(escape, character)
        if plain is not content:
            yield _FOLDED.sub(b" ", _ESCAPED.sub(_OTHER, plain)).replace(b"\0", b"\\")
        content = _ESCAPED.sub(_OTHER, content)
    yield _FOLDED.sub(b" ", content).replace(b"\0", b"\\")


def _plain(escape: bytes) -> bytes | None:
    """The ASCII character that a reader takes it for; None where it is no such."""
    plain = plain_character(chr(int(escape[2:], 16)))
    if not plain:
        raise ValueError("a character that no reader sees")
    return plain.encode() if plain.isascii() else None


def _with_flow_keys(outline: bytes) -> bytes | None:
    if b"{" not in outline:
        return outline
    repeated = False

    def keys_only(mapping: re.Match[bytes]) -> bytes:
        nonlocal repeated
        keys = _FLOW_KEYS.findall(mapping[0])
        repeated = repeated or len(set(keys)) != len(keys)
        return b"{" + b",".join(keys) + b"}"

    shortened = _MAPPING.sub(keys_only, outline)
    return None if repeated else shortened


def _shortened(outline: bytes) -> bytes:
    return _REPEATED.sub(rb"\1", outline)


def _is_sane(outline: bytes) -> bool:
    """No line is the continuation of the value above it: after a value the next line is not indented further."""
    column = -1
    for number, line in enumerate(_OUTLINE_LINE.finditer(outline)):
        indent, dashes, rest = line.groups()
        if column >= 0 and len(indent) > column:
            return False
        if not dashes and b":" not in rest and number > 0:
            return False
        has_value = not rest.endswith(b":")
        column = len(indent) + len(dashes) if has_value else -1
    return True
