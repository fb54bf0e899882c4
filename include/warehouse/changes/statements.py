"""
What a statement in the binary log means to a table.

With row format, statements in the log are the frames of transactions and DDL. DML stands there as text only where a
session chose another format: which rows it changed is not said. XA COMMIT makes rows visible whose keys stood further
up in the log, perhaps before the position where reading began.
"""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/|(--\s|#)[^\n]*(\n|\Z)", re.DOTALL)
# The body of /*! ... */ is part of the statement.
_EXECUTABLE_COMMENT = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)
_FRAMES = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START"})
_TEXT_DML = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "CALL", "DO", "SELECT", "EXECUTE"})
_WORD = re.compile(r"[A-Za-z]+")
# Settings for one statement, which is logged together with them.
_SET_STATEMENT = re.compile(r"\s*SET\s+STATEMENT\s.*?\sFOR\s", re.DOTALL | re.IGNORECASE)


def ends_transaction(query: str) -> bool:
    return _first_word(query) in ("COMMIT", "ROLLBACK")


def reason_for_whole_copy(query: str, schema: str, database: str, table: str) -> str:
    """Empty where the rows of the table follow from the log's events; `schema` is where the statement was executed."""
    word = _first_word(query)
    if word in _FRAMES:
        return ""
    if word == "XA":
        return "a distributed transaction was committed (XA COMMIT)" if _words(query)[1:2] == ["COMMIT"] else ""
    concerns = schema == database or _mentions(query, database)
    if word in _TEXT_DML:
        return f"{word} was logged as a statement, not as rows" if concerns else ""
    return f"{word} names the table" if concerns and _mentions(query, table) else ""


def _plain(query: str) -> str:
    return _SET_STATEMENT.sub(" ", _COMMENT.sub(" ", _EXECUTABLE_COMMENT.sub(r" \1 ", query)), count=1)


def _words(query: str) -> list[str]:
    return [word.upper() for word in _WORD.findall(_plain(query)[:200])]


def _first_word(query: str) -> str:
    return next(iter(_words(query)), "")


def _mentions(query: str, name: str) -> bool:
    """Also inside of other text: a whole copy too many is cheap, a missing one is not."""
    return name.lower().replace("`", "``") in query.lower()
