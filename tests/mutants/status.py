"""The status: an outage hides nothing that was known, and one section no other."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_BOARD = ("tests/unit/status/test_board.py",)

MUTANTS = [
    Mutant(
        "a section that cannot be taken keeps its rows", "spool/status/board.py",
        "before = self.read(name) or Section(name, 0, ())", "before = Section(name, 0, ())", _BOARD,
    ),
    Mutant(
        "a damaged section hides no other", "spool/status/board.py",
        "except (CorruptRecord, OSError) as error:", "except OSError as error:", _BOARD,
    ),
    Mutant(
        "a section that cannot be taken stops no other", "plugins/tasks/status.py",
        "            continue\n", "            break\n", ("tests/plugins/test_status_tasks.py",),
    ),
    Mutant(
        "an archive that does not respond gives no figure", "spool/audit/stats.py",
        '            self._note("archive", error)\n            return None\n',
        '            self._note("archive", error)\n            return set()\n', ("tests/unit/audit/test_status_sections.py",),
    ),
]  # fmt: skip
