"""The folders that the batches of one collector pass through on their way in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from include.measurements.state_folders import StateFolders, check_one_file_system


@dataclass(frozen=True)
class Places:
    """Folders of one collector; all on one file system, `state` being the root of all states."""

    collecting: Path
    raw: Path
    collected: Path

    @classmethod
    def of(cls, state: Path, collector: str) -> Places:
        """Makes the folders that are missing; SettingsError if they are on different file systems."""
        StateFolders(state)
        for room in ("collecting", "collected"):
            # Originals: only the owner may look into them.
            (state / room).mkdir(mode=0o700, exist_ok=True)
        places = cls(*(state / room / collector for room in ("collecting", "raw", "collected")))
        for folder in (places.collecting, places.raw, places.collected):
            folder.mkdir(exist_ok=True)
        check_one_file_system(places.raw, places.collecting)
        return places

    @property
    def state(self) -> Path:
        return self.raw.parent.parent
