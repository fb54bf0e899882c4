"""An error as the client sees it."""

from __future__ import annotations


class ExasolError(Exception):
    """`sql_code` has five characters, or names a part of the engine as in `ETL-5105`."""

    def __init__(self, sql_code: str, text: str) -> None:
        super().__init__(text)
        self.sql_code = sql_code
        self.text = text


ROLLED_BACK = "40001"
ABORTED, TIMED_OUT = "R0003", "R0001"
OVERFLOW = "22003"
TOO_LONG = "22001"
READING, WRITING = "ETL-5105", "ETL-5106"


def transfer_failed(code: str, reason: str) -> ExasolError:
    """Of an IMPORT or EXPORT."""
    doing = "reading data from" if code == READING else "writing data to"
    return ExasolError(code, f"{code}: Following error occured while {doing} external connection [{reason}]")
