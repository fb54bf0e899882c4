"""
Errors of the sanitizer, leaves of the engine's tree. What is wrong with one report is no error: it is its verdict.

    TerminalError
    ├── BridgeMapRefused          the bridge map is missing, empty, unparsable or old: nothing was moved
    ├── ArchiveDiffers            the archived original does not unpack to what was collected: raw was kept
    ├── NoBatches                 the input folder holds files, but no batch with its manifest
    └── NoSuchMeasurementReport   explain or redrive was given something that is not there
    TransientError
    └── MachineFault              no space, no memory, a failing disk: the run ended, no report was judged by it
"""

from __future__ import annotations

import errno
import os

from spool.errors import TerminalError, TransientError


class BridgeMapRefused(TerminalError):
    """Without a valid map it is unknown what is secret."""


class ArchiveDiffers(TerminalError):
    """The disk did not keep what we wrote, or the original changed under our hands."""


class NoBatches(TerminalError):
    """What was given to sanitize is not laid out as batches."""


class NoSuchMeasurementReport(TerminalError):
    """Neither a file nor a measurement report of these folders."""


class MachineFault(TransientError, OSError):
    """The machine could not do it. Names no path: names of files that were not sanitized may be secrets."""

    @classmethod
    def of(cls, error: BaseException) -> MachineFault:
        """From an OSError, MemoryError or OverflowError of the machine, without its message."""
        number = error.errno if isinstance(error, OSError) and error.errno else errno.ENOMEM
        return cls(
            f"the machine ended the run: {os.strerror(number)}",
            hint="nothing is lost: make space, memory or descriptors available, then run again",
        )
