"""Types of argparse options that several commands have."""

from __future__ import annotations

import argparse
import math


def whole_number(text: str) -> int:
    """An argparse type: an integer of 1 or more."""
    return _integer(text, least=1)


def number_from_0(text: str) -> int:
    """An argparse type: an integer of 0 or more."""
    return _integer(text, least=0)


def seconds(text: str) -> float:
    """An argparse type: a finite number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, is {text!a}")
    return value


def _integer(text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, is {text[:40]!a}") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"must be {least} or more, is {value}")
    return value
