"""
Fingerprints of bridges in text: hexadecimal in any grouping, and base64 at any place of a longer text in base64.

Forty hexadecimal digits are found whatever stands between them, up to three marks or any blanks, and within longer
runs. In base64 twenty bytes can begin at three places of a group of four characters; 26 characters are the same each
time, whatever comes before and after: those are looked for.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterable, Iterator

from include.measurements.sanitize.span import Span

DIGITS = 40
HEX_DIGITS = b"0123456789abcdefABCDEF"
# Taken out of text, so that the digits of groups meet; x as in 0x3F and \\x3F.
BETWEEN_DIGITS = b" \t\r\n\v\f:._,;|/\\%-xX\"'"
CORE_CHARACTERS = 26

_REGION = re.compile(r"[0-9A-Fa-f](?:(?:\s{1,80}+|[\s:._,;|/\\%\"'-]{1,4}+)?(?:0?[xX])?[0-9A-Fa-f])*+")
_DIGIT = re.compile(r"(?:(?<![0-9A-Fa-f])0[xX])|([0-9A-Fa-f])")
_NICKNAME = re.compile(r"[~=][A-Za-z0-9]{1,19}")
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{CORE_CHARACTERS},}}")
_STANDARD = str.maketrans("-_", "+/")
_ONE_CLASS = bytes(ord("h") if byte in HEX_DIGITS else ord(".") for byte in range(256))
_SHAPE = b"h" * DIGITS


class FingerprintForms:
    """Of one set of fingerprints, in lower case, and those of `beside`."""

    def __init__(self, fingerprints: Iterable[str], beside: FingerprintForms | None = None) -> None:
        new = frozenset(fingerprint.lower() for fingerprint in fingerprints)
        # 26 characters to the number of characters before and behind that also hold bits of the fingerprint.
        cores = {core: around for f in new for core, around in _cores(bytes.fromhex(f)).items()}
        first_four = frozenset(int.from_bytes(core[:4].encode(), sys.byteorder) for core in cores)
        self.fingerprints: frozenset[str] = new | beside.fingerprints if beside else new
        self._cores: dict[str, tuple[int, int]] = beside._cores | cores if beside else cores
        self._first_four: frozenset[int] = first_four | beside._first_four if beside else first_four

    def spans(self, text: str) -> Iterator[Span]:
        """Where fingerprints stand; may overlap, in no order."""
        if not self.fingerprints:
            return
        if may_have_digits(text.encode("latin-1", "replace")):
            for region in _REGION.finditer(text):
                if len(region[0]) >= DIGITS:
                    yield from self._in_region(text, region)
        for run in _BASE64.finditer(text):
            yield from self._in_run(text, run.start(), run[0].translate(_STANDARD))

    def found_in(self, text: str) -> bool:
        """Whether a fingerprint stands in the text."""
        return next(self.spans(text), None) is not None

    def base64_found(self, run: str) -> bool:
        """Whether a run of base64 characters holds a fingerprint."""
        return next(self._in_run(run, 0, run.translate(_STANDARD)), None) is not None

    def _in_region(self, text: str, region: re.Match[str]) -> Iterator[Span]:
        places = [match.start() for match in _DIGIT.finditer(region[0]) if match[1]]
        digits = "".join(region[0][place] for place in places).lower()
        for at in range(len(digits) - DIGITS + 1):
            if digits[at : at + DIGITS] in self.fingerprints:
                start, end = region.start() + places[at], region.start() + places[at + DIGITS - 1] + 1
                yield _with_nickname(text, start, end)

    def _in_run(self, text: str, start: int, run: str) -> Iterator[Span]:
        if not has_any_four(run.encode(), self._first_four):
            return
        for at in range(len(run) - CORE_CHARACTERS + 1):
            around = self._cores.get(run[at : at + CORE_CHARACTERS])
            if around is not None:
                end = min(at + CORE_CHARACTERS + around[1], len(run))
                padding = text.startswith("=", start + end)
                yield Span(start + max(0, at - around[0]), start + end + padding)


def may_have_digits(content: bytes) -> bool:
    """False: nowhere do forty hexadecimal digits follow one another, whatever usually stands between them."""
    return _SHAPE in content.translate(_ONE_CLASS, BETWEEN_DIGITS)


def has_fingerprint(content: bytes) -> bool:
    """Whether forty hexadecimal digits follow one another directly, of whatever fingerprint."""
    return _SHAPE in content.translate(_ONE_CLASS)


def has_any_four(content: bytes, numbers: frozenset[int]) -> bool:
    """Whether any four bytes of the content, as an integer of this machine, are among the numbers."""
    view = memoryview(content)
    for shift in range(min(4, len(content))):
        part = view[shift : len(content) - (len(content) - shift) % 4]
        if part and not numbers.isdisjoint(part.cast("I")):
            return True
    return False


def _cores(fingerprint: bytes) -> dict[str, tuple[int, int]]:
    cores = {}
    for before, (first, around) in enumerate(((0, (0, 1)), (2, (1, 0)), (3, (1, 1)))):
        text = base64.b64encode(bytes(before) + fingerprint + bytes(4)).decode()
        cores[text[first : first + CORE_CHARACTERS]] = around
    return cores


def _with_nickname(text: str, start: int, end: int) -> Span:
    nickname = _NICKNAME.match(text, end)
    return Span(start - text.startswith("$", start - 1) if start else start, nickname.end() if nickname else end)
