"""Replay: fences, comparisons, notes, order, isolation. Rule numbers are those of the design of the spool."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_REPLAY = ("tests/unit/replay",)
_LOSSES = ("tests/stack/test_replay_losses.py",)
_ONCE = ("tests/stack/test_replay_exactly_once.py",)
_TAKEOVER = ("tests/stack/test_replay_takeover.py",)
_OPERATOR = ("tests/stack/test_replay_operator.py",)
_ISOLATION = ("tests/stack/test_replay_isolation.py",)

_AGREEMENT = "spool/replay/agreement.py"
_CLAIM = "spool/replay/claim.py"
_LOG = "spool/replay/log_replay.py"

MUTANTS = [
    Mutant(
        "the topic's id is compared (rule 24)", _AGREEMENT,
        "return bool(noted and current) and noted != current", "return False", _REPLAY,
    ),
    Mutant(
        "the ends of the partitions are compared (rule 26)", _AGREEMENT,
        "if ends.get(partition, 0) <= last:", "if False:", _REPLAY,
    ),
    Mutant(
        "deliveries that reach beyond the checkpoint are noticed", _AGREEMENT,
        "elif reached > checkpoint.next:", "elif False:", _LOSSES,
    ),
    Mutant(
        "a loss of one log holds up the others of its topic", _CLAIM,
        "            if holds_up_others(what):", "            if False:", _LOSSES,
    ),
    Mutant(
        "a log that another instance touched is left alone (rule 22)", _CLAIM,
        "        if abs(age_s) < OWNED_S:", "        if False:", _ONCE,
    ),
    Mutant(
        "a lost checkpoint is told from a log that never began", _CLAIM,
        "        if checkpoint is None:\n            topic =", "        if False:\n            topic =", _OPERATOR,
    ),
    Mutant(
        "the marker is put", _CLAIM,
        "        if marker is None:\n            put_marker(", "        if False:\n            put_marker(", _OPERATOR,
    ),
    Mutant(
        "after a refusal the checkpoint must be the one in hand", _LOG,
        "        if stored != self._checkpoint:", "        if False:", _TAKEOVER,
    ),
    Mutant(
        "an offset that Kafka gave before stops the log", _LOG,
        "            if batch.kafka_offset <= last:", "            if False:", _TAKEOVER,
    ),
    Mutant(
        "dead letters are put before the transaction that skips them", "spool/replay/refused_records.py",
        "            put_letter(around.archive.store, around.archive.root, around.stream, self._topic, record, reason)\n",
        "            pass\n", _OPERATOR,
    ),
    Mutant(
        "a missing segment is a gap (rule 20)", "spool/replay/archive_source.py",
        "        if next_segment is not None and next_segment > number:", "        if False:", _ISOLATION,
    ),
    Mutant(
        "a log begins at its floor (rule 16)", "spool/replay/archive_source.py",
        "        if number is not None and number > floor:", "        if False:", _ISOLATION,
    ),
    Mutant(
        "the error of one log stops no other", "spool/replay/standing.py",
        "        passing(error)\n        standings.failed(log, error)\n        return False\n", "        raise\n", _ISOLATION,
    ),
    Mutant(
        "the run names what stopped at its end", "spool/replay/replayer.py",
        "        self._standings.raise_worst()\n", "", _ISOLATION,
    ),
    Mutant(
        "a successor waits for its predecessor (rule 28)", "spool/replay/predecessor.py",
        "    return Wait(index.after[0], since_s)", "    return None", _OPERATOR,
    ),
    Mutant(
        "after a time-out a transaction is smaller", "spool/replay/pace.py",
        "            self._share = max(_SMALLEST_SHARE, self._share * _AFTER_TIME_OUT)\n", "", _REPLAY,
    ),
    Mutant(
        "a single chunk that is too much gets more time", "spool/replay/pace.py",
        "            self.patience *= 2\n", "", _REPLAY,
    ),
    Mutant(
        "a tombstone takes a checkpoint back", "spool/replay/checkpoint.py",
        "        values.pop(key, None)\n", "        pass\n", _REPLAY,
    ),
    Mutant(
        "another version of a note is refused", "spool/format/json_notes.py",
        '    if document["version"] != version:', "    if False:", _REPLAY,
    ),
    Mutant(
        "a stream that fails hides no other", "spool/replay/streams.py",
        "    return Drained({stream: future.result() for stream, future in running.items() if stream not in errors}, errors)",
        "    return Drained({stream: future.result() for stream, future in running.items()}, errors)", _REPLAY,
    ),
]  # fmt: skip
