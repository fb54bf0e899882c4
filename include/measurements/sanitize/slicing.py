"""
Cuts a report into documents before anything is parsed, so that one bad document costs one document.

    ####                     lines between documents are comments or empty; they are not kept
    ---                      a document begins
    key: value
    ...                      and ends; where the next one begins without it, it ends there too

Both marks are marks only at the start of a line, whatever is around them: YAML allows neither inside a scalar.
Reads in blocks and keeps one document in memory, at most `document_bytes_max`; of a larger one only the hash is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

BLOCK_BYTES = 256 * 1024
# The bytes that must be visible at once to recognise a mark: `\n---\r\n`.
_MARK_BYTES = 6
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Kind = Literal["document", "unframed", "oversized"]

# Begins with the line end before it: a plain character to look for, forty times as fast as `^`.
_MARK = re.compile(rb"\n(?:(---)(?=[ \t\r\n]|\Z)|\.\.\.[ \t]{0,200}+(?:\r?\n|\Z|(?=[ \t\r])))")
# Possessive: nothing is tried twice, whatever the lines end in.
_NOTHING = re.compile(rb"(?:[ \t\r]*+(?:#[^\n]*+)?\n)*+[ \t\r]*+(?:#[^\n]*+)?\Z")
_END = re.compile(rb"(?:\A|\n)\.\.\.[ \t]*(?:\r?\n)?\Z")


class Slice(NamedTuple):
    """
    Bytes `offset` to `offset + size` of the report.

    content    what was there, with its marks; empty for an oversized one
    kind       document; unframed: does not begin with `---`; oversized
    ended      it has its end mark, or another document follows
    sha1       of what was there, for oversized ones, whose content is empty
    """

    offset: int
    size: int
    content: bytes
    kind: Kind
    ended: bool
    sha1: str = ""


def slices(file: BinaryIO, document_bytes_max: int) -> Iterator[Slice]:
    """Every slice of the file that holds more than comments and empty lines, in order."""
    return _Slicer(file, document_bytes_max).slices()


class _Slicer:
    def __init__(self, file: BinaryIO, document_bytes_max: int) -> None:
        self._file = file
        self._max = document_bytes_max
        self._buffer = bytearray(b"\n")  # as if the line before the first had ended
        self._start = 1  # of what is not yet cut, in the buffer
        self._offset = 0  # of the same, in the file
        self._searched = 0  # up to here, in the buffer, no mark ends the current piece
        self._at_end = False

    def slices(self) -> Iterator[Slice]:
        while True:
            cut = self._next_cut()
            if cut is None:
                if self._at_end:
                    break
                if len(self._buffer) - self._start > self._max:
                    yield self._oversized()
                else:
                    self._fill()
                continue
            if next_slice := self._slice(cut, ended=True):
                yield next_slice
        ended = bool(_END.search(self._buffer[max(self._start, len(self._buffer) - 64) :]))
        if next_slice := self._slice(len(self._buffer), ended=ended):
            yield next_slice

    def _slice(self, cut: int, *, ended: bool) -> Slice | None:
        offset, piece = self._offset, self._take(cut)
        piece_slice = _slice(offset, piece, ended=ended)
        if piece_slice is None or piece_slice.size <= self._max:
            return piece_slice
        sha1 = hashlib.sha1(piece_slice.content, usedforsecurity=False).hexdigest()
        return piece_slice._replace(content=b"", kind="oversized", sha1=sha1)

    def _next_cut(self) -> int | None:
        """Where the current piece ends: after `...`, before the next `---`. None where more must be read."""
        while match := _MARK.search(self._buffer, self._searched):
            if match.end() + 1 >= len(self._buffer) and not self._at_end:
                return None
            if match[1] is None:
                self._searched = match.end() - 1
                return match.end()
            self._searched = match.end()
            if not _NOTHING.match(self._buffer[self._start : match.start() + 1]):
                return match.start() + 1
        # A mark may have begun with the last bytes; before them there is none.
        self._searched = max(self._searched, len(self._buffer) - _MARK_BYTES)
        return None

    def _take(self, cut: int) -> bytes:
        piece = bytes(memoryview(self._buffer)[self._start : cut])
        self._start = cut
        self._offset += len(piece)
        return piece

    def _fill(self) -> None:
        # The byte before stays: it shows whether a line begins here.
        if (done := self._start - 1) > 0:
            del self._buffer[:done]
            self._searched -= done
            self._start = 1
        block = self._file.read(BLOCK_BYTES)
        self._at_end = not block
        if self._offset == 0 and len(self._buffer) == 1 and block.startswith(_BYTE_ORDER_MARK):
            block, self._offset = block[len(_BYTE_ORDER_MARK) :], len(_BYTE_ORDER_MARK)
        self._buffer += block

    def _oversized(self) -> Slice:
        """Read on to the end of a document that is too large, hashing, keeping a block at a time."""
        offset, sha1 = self._offset, hashlib.sha1(usedforsecurity=False)
        while True:
            cut = self._next_cut()
            if cut is not None or self._at_end:
                sha1.update(self._take(len(self._buffer) if cut is None else cut))
                return Slice(offset, self._offset - offset, b"", "oversized", cut is not None, sha1.hexdigest())
            # What may be the beginning of a mark stays.
            sha1.update(self._take(max(self._start, self._searched)))
            self._fill()


def _slice(offset: int, piece: bytes, *, ended: bool) -> Slice | None:
    if not piece.startswith(b"---"):
        begin = _MARK.search(b"\n" + piece)
        skipped = begin.start() if begin else len(piece)
        if not _NOTHING.match(piece[:skipped]):
            return Slice(offset, len(piece), piece, "unframed", ended)
        if begin is None or begin[1] is None:
            return None
        offset, piece = offset + skipped, piece[skipped:]
    elif not _MARK.match(b"\n" + piece[:_MARK_BYTES]):
        return Slice(offset, len(piece), piece, "unframed", ended)
    return Slice(offset, len(piece), piece, "document", ended)
