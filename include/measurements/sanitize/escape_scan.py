r"""
Where an escape may be part of a secret, found in a fraction of the time that decoding takes.

Most escapes of a page stand for characters that no form of a secret has. Those that may belong to one are found here,
each with the run of others around it; only these places are decoded and looked at. An escape may be escaped itself, as
JSON in a URL is: `%5Cu002e`. So what begins an escape is decoded first, level by level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from include.measurements.sanitize.escapes import LEVELS_MAX

# Escapes further apart than these belong to different forms, or the form around one of them is not escaped.
_APART_BYTES = 64
_INTRODUCTIONS = (b"%", b"&", b"\\")
# An escape of a digit, hexadecimal letter or mark beside another such; or any escape directly before a digit.
_CODE = rb"(?:0[9AaDd]|2[0-9A-Fa-f]|3[0-9A-Fa-f]|4[1-6]|5[BbCcDdFf]|6[1-6]|7[BbCcDd])"
_DECIMAL_CODE = rb"(?:9|1[03]|3[2-9]|4[0-9]|5[0-9]|6[0-9]|70|9[1235]|9[7-9]|10[0-2]|12[345])"
_START = rb"(?:%(?:25)*|(?:%|\\+)u(?:00|\{0*)|\\+U000000|\\+x|&(?:amp;)*#[xX]0*)"
_PART = re.compile(
    rb"(?:"
    + _START
    + _CODE
    + rb"|&(?:amp;)*(?:#0*"
    + _DECIMAL_CODE
    + rb"|[A-Za-z]{2,9}));?\}?(?=[0-9A-Fa-fxX%&\\:.\[\]_$~-])"
    rb"|(?:%u?|\\+[uUx]\{?|&#[xX]?)[0-9A-Fa-f]{2,8};?\}?(?=[0-9])"
    rb"|\\+[0-7]{2,3}(?=[0-9\\])|\\[^0-9A-Za-z\"'/]|(?<=[0-9A-Fa-f])\\/(?=[0-9A-Fa-f])"
    rb"|\\[abefnrtv0](?=[0-9A-Fa-f]{8}|0[xX])"
    # UTF-8 of full-width digits, letters and marks, and of characters that no reader sees
    rb"|(?i:%(?:25)*(?:EF%(?:25)*(?:BC%(?:25)*(?:8[DEF]|9[0-9A]|A[1-6]|BF)|BD%(?:25)*8[1-6]|BB%(?:25)*BF)"
    rb"|E2%(?:25)*(?:80%(?:25)*8[B-F]|81%(?:25)*A0)|C2%(?:25)*AD))"
)
# What base64 has besides letters and digits, escaped.
_PLUS = re.compile(_START + rb"2[BbDd];?\}?|&(?:amp;)*(?:#0*4[35]|plus|hyphen);")
_SLASH = re.compile(_START + rb"(?:2[Ff]|5[Ff]);?\}?|&(?:amp;)*(?:#0*(?:47|95)|sol|lowbar);|\\+/")
# What an escape begins with, escaped: a backslash, a percent sign, an ampersand with what follows it in an escape.
_BACKSLASH = re.compile(_START + rb"5[Cc];?\}?|&(?:amp;)*(?:#0*92|bsol);")
_PERCENT = re.compile(_START + rb"25;?\}?|&(?:amp;)*(?:#0*37|percnt);")
_AMPERSAND = re.compile(_START + rb"26;?\}?|&(?:amp;)*(?:#0*38|amp);")
_SHARP = re.compile(rb"(?<=&)(?:" + _START + rb"23;?\}?|&(?:amp;)*(?:#0*35|num);)")
# Where none of these stands, none of the above does.
_BEGINNING = re.compile(
    rb"%(?:25)*(?:u00)?(?:5[Cc]|2[56])|\\(?:x|u00|u\{0*|U000000)(?:5[Cc]|2[56])"
    rb"|&(?:amp;)*(?:#(?:0*(?:92|3[578]);?|[xX]0*(?:5[Cc]|2[356]);?)|bsol;|percnt;|num;)"
)


def levels(content: bytes) -> Iterator[bytes]:
    """The content, then with the beginnings of escapes decoded once, twice, ... as often as there are any."""
    for _ in range(LEVELS_MAX):
        if not any(mark in content for mark in _INTRODUCTIONS):
            return
        yield content
        if not _BEGINNING.search(content):
            return
        content = _SHARP.sub(b"#", _AMPERSAND.sub(b"&", _PERCENT.sub(b"%", _BACKSLASH.sub(rb"\\", content))))


def escaped_places(content: bytes) -> Iterator[tuple[int, int]]:
    """Where escapes stand that may be part of a secret: the beginning of the first and the end of the last of a run."""
    start = end = -1
    for match in _PART.finditer(content):
        if end >= 0 and match.start() - end > _APART_BYTES:
            yield start, end
            start = -1
        start = match.start() if start < 0 else start
        end = match.end()
    if start >= 0:
        yield start, end


def with_plain_base64(content: bytes) -> bytes:
    """The content with those marks decoded that base64 may have."""
    return _SLASH.sub(b"/", _PLUS.sub(b"+", content))
