"""Where documents begin and end, however the bytes arrive."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.measurements.sanitize import slicing
from include.measurements.sanitize.slicing import slices


def cut(text: bytes, most: int = 1_000_000) -> list[tuple[str, bytes, bool]]:
    return [(s.kind, s.content, s.ended) for s in slices(io.BytesIO(text), most)]


def test_documents_keep_their_marks_and_lose_the_comments_between_them() -> None:
    text = b"####\n# OONI\n####\n---\na: 1\n...\n# more\n---\nb: 2\n...\n"
    assert cut(text) == [("document", b"---\na: 1\n...\n", True), ("document", b"---\nb: 2\n...\n", True)]


def test_a_document_that_the_next_one_ends_is_a_document_of_its_own() -> None:
    assert cut(b"---\na: 1\n--- {b: 2}\n...\n") == [
        ("document", b"---\na: 1\n", True),
        ("document", b"--- {b: 2}\n...\n", True),
    ]


def test_doubled_end_marks_are_nothing() -> None:
    assert cut(b"---\nnull\n...\n...\n---\na: 1\n...\n...\n") == [
        ("document", b"---\nnull\n...\n", True),
        ("document", b"---\na: 1\n...\n", True),
    ]


def test_a_document_without_its_end_mark_says_so() -> None:
    assert cut(b"---\na: 1\n...\n---\nb: {c") == [
        ("document", b"---\na: 1\n...\n", True),
        ("document", b"---\nb: {c", False),
    ]


def test_what_does_not_begin_with_three_dashes_costs_itself_only() -> None:
    assert cut(b"a: 1\n...\n---\nb: 2\n...\nrubbish\n---\nc: 3\n...\n") == [
        ("unframed", b"a: 1\n...\n", True),
        ("document", b"---\nb: 2\n...\n", True),
        ("unframed", b"rubbish\n", True),
        ("document", b"---\nc: 3\n...\n", True),
    ]


def test_marks_inside_a_line_or_longer_ones_are_text() -> None:
    text = b"---\na: x --- ... y\nb: |\n  ...\n  ---\n----: c\n...\n"
    assert cut(text) == [("document", text, True)]


@pytest.mark.parametrize("text", [b"", b"\n\n", b"# only\n# comments", b"...\n...\n", b"\xef\xbb\xbf\n"])
def test_a_file_of_nothing_has_no_slices(text: bytes) -> None:
    assert cut(text) == []


def test_windows_line_ends_and_a_byte_order_mark_are_understood() -> None:
    assert cut(b"\xef\xbb\xbf---\r\na: 1\r\n...\r\n---\r\nb: 2\r\n...\r\n") == [
        ("document", b"---\r\na: 1\r\n...\r\n", True),
        ("document", b"---\r\nb: 2\r\n...\r\n", True),
    ]


def test_an_oversized_document_is_hashed_not_kept_and_the_next_one_is_found() -> None:
    big = b"---\nbody: '" + b"x---\n...x" * 50 + b"'\n...\n"
    text = b"---\na: 1\n...\n" + big + b"---\nb: 2\n...\n"
    found = list(slices(io.BytesIO(text), 100))
    assert [s.kind for s in found] == ["document", "oversized", "document"]
    assert (found[1].content, found[1].offset, found[1].size) == (b"", 13, len(big))
    assert found[2].content == b"---\nb: 2\n...\n"


LINES = st.sampled_from(
    [b"---\n", b"...\n", b"--- x\n", b"---", b"...", b"...\r\n", b"a: 1\n", b"x", b"\n", b"# c\n", b" ---\n", b"----\n"]
)


@given(lines=st.lists(LINES, max_size=30), block=st.integers(1, 40))
def test_the_cut_does_not_depend_on_how_blocks_fall(lines: list[bytes], block: int) -> None:
    text = b"".join(lines)
    whole = list(slices(io.BytesIO(text), 1_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slicing, "BLOCK_BYTES", block)
        assert list(slices(io.BytesIO(text), 1_000_000)) == whole
        small = list(slices(io.BytesIO(text), 12))
    assert [(s.offset, s.size) for s in small] == [(s.offset, s.size) for s in whole] or any(
        s.kind == "oversized" for s in small
    )


@given(lines=st.lists(LINES, max_size=30))
def test_every_byte_that_is_not_a_comment_or_mark_lies_in_one_slice(lines: list[bytes]) -> None:
    text = b"".join(lines)
    at = 0
    for found in slices(io.BytesIO(text), 1_000_000):
        assert found.offset >= at
        between = text[at : found.offset]
        assert not re.search(rb"^[ax]", re.sub(rb"(?m)^#.*$", b"", between), re.MULTILINE)
        assert text[found.offset : found.offset + found.size] == found.content
        at = found.offset + found.size
