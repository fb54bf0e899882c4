"""
Errors of the sanitizer, leaves of the engine's tree. What is wrong with one report is no error: it is its verdict.

    TerminalError
    ├── BridgeMapRefused     the bridge map is missing, empty, unparsable or old: nothing was moved
    ├── ArchiveDiffers       the archived original does not unpack to what was collected: raw was kept
    └── NoSuchMeasurementReport         explain or redrive was given something that is not there
"""

from __future__ import annotations

from spool.errors import TerminalError


class BridgeMapRefused(TerminalError):
    """Without a good map nobody can tell what is secret."""


class ArchiveDiffers(TerminalError):
    """The disk did not keep what we wrote, or the original changed under our hands."""


class NoSuchMeasurementReport(TerminalError):
    """Neither a file nor a report of these folders."""
