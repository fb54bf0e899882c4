"""
The pages, docstrings, comments and messages use the words of the field.

Each pattern is a phrase that a native technical writer would not use; beside it is what to write instead.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
# `docs/mutants.md` quotes names of tests and mutants, results quote what a program printed.
QUOTING = ("docs/mutants.md", "docs/compose.md", "docs/benchmarks.md", "docs/torture.md")
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "spool/**/*.md", "include/**/*.md", "stack/*.md", "config/*.yml")
    for path in sorted(ROOT.glob(pattern))
    if path.relative_to(ROOT).as_posix() not in QUOTING
]
ROOMS = ("dags", "plugins", "stack", "benchmarks", "include", "spool", "tests")
# Names of mutants are recorded in docs/mutants.md.
NAMING = ROOT / "tests" / "mutants"
SOURCES = [
    path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if path != Path(__file__) and NAMING not in path.parents
]

INSTEAD = {
    r"anew": "again, or: a new one",
    r"for ever": "forever, or: without end",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"told|tells?|telling": "report, emit, say; distinguish for `tell apart`",
    r"lies?|lying": "is in",
    r"whoever": "any process that, the next one that",
    r"who waits?": "name the process that waits",
    r"hardly": "rarely, almost never",
    r"for so long": "give the duration a subject: seconds that a file must be unchanged",
    r"needs not": "does not need",
    r"must be said": "is required",
    r"where there is none": "if there is none",
    r"nobody's business": "is ignored",
    r"twice is once": "idempotent",
    r"(?:a|one) (?:row|line|module|file|task|batch|object|record|event|try|page|verb|process|commit) an? \w+": (
        "one ... per ..."
    ),
}
PATTERN = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in INSTEAD), re.IGNORECASE)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page; of a program its docstrings, messages and comments. None if no line has a phrase."""
    text = path.read_text(encoding="utf-8")
    if not PATTERN.search(text):  # most files: reading tokens takes thirty times as long
        return
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield from enumerate(token.string.splitlines(), token.start[0])


def phrases(path: Path) -> list[str]:
    return [f"{number}: {match[0]}" for number, line in lines_of(path) for match in PATTERN.finditer(line)]


def test_a_phrase_is_found_in_a_comment_and_a_message_and_not_in_a_name(tmp_path):
    source = tmp_path / "source.py"
    source.write_text('told = 1  # written anew\nprint("a row a log, for ever")\n', encoding="utf-8")
    assert phrases(source) == ["1: anew", "2: a row a log", "2: for ever"]


def test_the_words_are_those_of_the_field():
    found = {path.relative_to(ROOT).as_posix(): phrases(path) for path in (*PAGES, *SOURCES)}
    assert {path: lines for path, lines in found.items() if lines} == {}, "INSTEAD, above, says what to write"
