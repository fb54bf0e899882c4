"""
What somebody asks for when they restore: one original, all of a rules version, or first of all a list.

    nothing            what can be restored
    archived           this one
    rules_version      every measurement report that this version of the rules made, some at a time

Dry by default. A run over a version may be stopped and started again: it notes what it has restored, under the
present rules and bridge map, and continues after it. One report that is refused does not stop the others.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from include.measurements.errors import RestoreRefused
from include.measurements.restore.restorer import Restorer

LOGGER = logging.getLogger(__name__)

LISTED_MAX = 50
# Restored together: one run of the sanitizer and one look at the mirror for all of them.
CHUNK = 50
NAMED_MAX = 20


@dataclass(frozen=True)
class RestoreRequest:
    """`archived` is a path below the archive folder; `rules_version` None = not asked for."""

    archived: str = ""
    rules_version: int | None = None
    dry_run: bool = True

    def __post_init__(self) -> None:
        if self.archived and self.rules_version is not None:
            raise RestoreRefused("either one archived report or a rules version", hint="leave one of the two empty")
        if not self.archived and self.rules_version is None and not self.dry_run:
            raise RestoreRefused("nothing to restore was named", hint="a dry run lists what can be restored")


def carry_out(request: RestoreRequest, restorer: Restorer, made_by: str) -> dict[str, object]:
    """
    Do it, or say what would be done.

    made_by  distinguishes the present rules and bridge map from others: what was restored by the same is not done again
    RestoreRefused at the end of a run over a version names the reports that were refused.
    """
    if request.archived:
        plan = restorer.plan(request.archived) if request.dry_run else restorer.restore(request.archived)
        return {"done": not request.dry_run, **dataclasses.asdict(plan)}
    if request.rules_version is not None:
        return _of_rules(request.rules_version, restorer, made_by, dry_run=request.dry_run)
    return _listed(restorer)


def _listed(restorer: Restorer) -> dict[str, object]:
    originals = list(restorer.originals.listed())
    LOGGER.info("%s archived originals can be restored; name one by its path, or a rules version", len(originals))
    return {
        "done": False,
        "restorable": len(originals),
        "first": originals[:LISTED_MAX],
        "unfinished": restorer.unfinished(),
    }


def _of_rules(version: int, restorer: Restorer, made_by: str, *, dry_run: bool) -> dict[str, object]:
    refused: dict[str, str] = {}
    progress = _Progress(restorer.folders.restoring / f"rules-{version}-{made_by}.done")
    wanted = [path for path in _originals(version, restorer, refused) if path not in progress]
    total = len(wanted)
    LOGGER.info("%s measurement reports of rules version %s, %s refused", total, version, len(refused))
    counts = {"sanitized": 0, "quarantined": 0, "errored": 0}
    if dry_run:
        return {"done": False, "rules_version": version, "reports": total, "first": wanted[:LISTED_MAX],
                "refused": len(refused), "unfinished": restorer.unfinished()}  # fmt: skip
    for chunk in _chunks(wanted):
        restored = restorer.restore_some(chunk)
        for outcome in restored.outcomes.values():
            counts[outcome] += 1
        refused |= {path: str(error) for path, error in restored.refused.items()}
        progress.add(path for path in chunk if path not in restored.refused)
        LOGGER.info("restored %s of %s: %s; %s refused", sum(counts.values()), total, counts, len(refused))
    progress.remove()
    _raise_refused(refused)
    return {"done": True, "rules_version": version, "reports": total, **counts}


def _originals(version: int, restorer: Restorer, refused: dict[str, str]) -> Iterator[str]:
    """Archived originals, each once: first those of a run that died, whose reports may be in no state."""
    originals = set()
    for archived in restorer.unfinished():
        originals.add(archived)
        yield archived
    for report, unreadable in restorer.originals.reports_of_rules(version):
        if unreadable is not None:
            refused[report] = str(unreadable)
            continue
        try:
            archived = restorer.originals.latest_of(report)
        except RestoreRefused as error:
            refused[report] = str(error)
            continue
        if archived not in originals:
            originals.add(archived)
            yield archived


def _raise_refused(refused: dict[str, str]) -> None:
    if refused:
        named = "; ".join(f"{name}: {why}" for name, why in islice(refused.items(), NAMED_MAX))
        raise RestoreRefused(
            f"{len(refused)} measurement reports were not restored: {named}",
            hint="the others were; restore these one by one, or take them out of `imported` by hand",
        )


def _chunks(paths: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(paths), CHUNK):
        yield paths[start : start + CHUNK]


class _Progress:
    """Archived paths that are restored, one a line; a line that was torn by a death is done again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        *lines, _torn = file.read_text(encoding="utf-8").split("\n") if file.exists() else [""]
        self._done = set(lines)

    def __contains__(self, archived: str) -> bool:
        return archived in self._done

    def add(self, archived: Iterator[str]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(f"{path}\n" for path in archived)

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)
