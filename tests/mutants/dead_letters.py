"""Dead letters: in effect, once, and skipped by a rewind (rule 25); over SQL in one transaction."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_LETTERS = ("tests/unit/dead_letters",)
_KILLS = ("tests/crash/test_requeue_kills.py",)
_STACK = ("tests/stack/test_dead_letters.py",)
_SQL = ("tests/stack/test_letters_of_features.py",)
_REQUEUE = "spool/dead_letters/requeue.py"

MUTANTS = [
    Mutant(
        "a letter is proven behind its note", _REQUEUE,
        "        if state.in_effect or state.state == \"requeued\":", "        if True:", _LETTERS,
    ),
    Mutant(
        "a void letter is open again", _REQUEUE,
        "        except LetterRefused:\n            self._open_again(stored)\n", "        except LetterRefused:\n", _LETTERS,
    ),
    Mutant(
        "the log of the first attempt is the log of the next", _REQUEUE,
        "sequence = ProducerSequence(self._producer, SEQUENCE, state.to_log)",
        "sequence = ProducerSequence(self._producer, SEQUENCE, self._way_back.client.log_of(self._stream))", _LETTERS,
    ),
    Mutant(
        "a group is appended as a group", _REQUEUE, "group=len(self._unit) > 1", "group=False", _LETTERS,
    ),
    Mutant(
        "a producer is released only when the state is durable", _REQUEUE,
        "        failpoints.reach(\"dead_letters.appended\")\n",
        "        self._release(state)\n        failpoints.reach(\"dead_letters.appended\")\n", _KILLS,
    ),
    Mutant(
        "a rewind skips what was settled", "spool/replay/log_replay.py",
        "            self._settled.begin(checkpoint.next)\n", "", _STACK,
    ),
    Mutant(
        "an event that a rewind is about to bring is not requeued", "spool/replay/letter_effects.py",
        "        if checkpoint.next < offsets.stop:", "        if False:", _STACK,
    ),
    Mutant(
        "the newest delivery decides", "spool/replay/letter_effects.py",
        "        if of_log:\n", "        if False:\n", ("tests/unit/replay/test_letter_effects.py",),
    ),
    Mutant(
        "a requeue locks its letter", "include/dead_letters/sql_letters.py",
        "query.with_for_update() if lock else query", "query", _SQL,
    ),
]  # fmt: skip
