"""The outbox: transactions, lanes, sequences, and the comparisons that keep two drains and restored backups apart."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_DRAIN = ("tests/stack/test_outbox_drain.py",)
_RECOVERY = ("tests/stack/test_outbox_recovery.py",)
_KILLS = ("tests/crash/test_outbox_kills.py",)
_COUNTS = ("tests/stack/test_measurements_stage_counts.py",)
_MIGRATIONS = ("tests/stack/test_database_migrations.py",)
_PRODUCERS = ("tests/unit/log/test_idempotent_producers.py",)
_APPENDED_IDS = ("tests/unit/audit/test_appended_ids.py",)

MUTANTS = [
    Mutant(
        "transactions of one key wait for each other", "include/outbox/write.py",
        "        connection.execute(lock.on_duplicate_key_update(lane=lock.inserted.lane))\n", "        del lock\n", _DRAIN,
    ),
    Mutant(
        "what the spool would refuse ends the transaction", "include/outbox/write.py",
        "    encode([event], stream.event_bytes_max)\n", "", _DRAIN,
    ),
    Mutant(
        "a batch has its sequence before it is appended", "include/outbox/batches.py",
        "        self._set(connection, sequence=sequence, ids=encode_ids(ids))\n", "", _DRAIN,
    ),
    Mutant(
        "a batch is settled only while it is the one under way", "include/outbox/batches.py",
        "            if not _is(row, done):\n                return self._under_way(connection, row)\n", "", _DRAIN,
    ),
    Mutant(
        "rows that were committed since are no part of a batch", "include/outbox/batches.py",
        ".all() if row.id in wanted]", ".all()]", _DRAIN,
    ),
    Mutant(
        "a refused row becomes a dead letter", "include/outbox/batches.py",
        "            put_letter(connection, refused_row(self._stream, self._rows(connection, batch.ids)[0]), reason)\n", "",
        _RECOVERY,
    ),
    Mutant(
        "the sequence of a refused row goes to the next batch", "include/outbox/batches.py",
        "            return self._take(connection, row, batch.sequence)\n",
        "            return self._take(connection, row, batch.sequence + 1)\n", _RECOVERY,
    ),
    Mutant(
        "a log that knows another sequence is not begun in", "include/outbox/drain.py",
        "        if known.sequence != state.sequence:", "        if False:", _RECOVERY,
    ),
    Mutant(
        "a batch is moved only where the old log certainly lacks it", "include/outbox/drain.py",
        "        if not moved.certainly_not_written:", "        if False:", _RECOVERY,
    ),
    Mutant(
        "a conflict of the batch under way stops the stream", "include/outbox/drain.py",
        "            raise self._conflict(str(error)) from error\n", "            return None\n", _RECOVERY,
    ),
    Mutant(
        "a resync counts how often an event is in the log", "include/outbox/resync.py",
        "            appended[event_id] -= 1\n", "", _RECOVERY,
    ),
    Mutant(
        "a resync reads the archive", "spool/audit/appended_ids.py",
        "            if offset >= start and offset not in seen:", "            if False:", _RECOVERY,
    ),
    Mutant(
        "a resync finds what is in folder and archive once", "spool/audit/appended_ids.py",
        " and offset not in seen", "", _APPENDED_IDS,
    ),
    Mutant(
        "a repetition is answered whatever the limits are by now", "spool/log/stream_log.py",
        "            if not self._with_current(lambda writer: writer.find_repeated(pending, deadline), deadline):\n"
        "                raise\n",
        "            raise\n", _PRODUCERS,
    ),
    Mutant(
        "a count and its event are one transaction", "include/counts/table.py",
        "                emit(connection, self._known, map(_event, changed), source=SOURCE)\n",
        "                connection.commit()\n"
        "                emit(connection, self._known, map(_event, changed), source=SOURCE)\n",
        _COUNTS,
    ),
    Mutant(
        "a newer schema is left alone", "include/database/migrate.py",
        "    if current and current not in ordered:", "    if False:", _MIGRATIONS,
    ),
    Mutant(
        "upgrades run one at a time", "include/database/migrate.py",
        "    if taken.scalar() != 1:", "    if False:", _MIGRATIONS,
    ),
    Mutant(
        "the tables are compared after an upgrade", "include/database/migrate.py",
        "        if differences := schema_differences(connection):", "        if differences := []:", _MIGRATIONS,
    ),
    Mutant(
        "nothing is deleted before it is appended", "include/outbox/drain.py",
        "            accepted = self._spool.append_once(self._stream, batch.events, sequence)\n",
        "            self._batches.settle(batch, 0, take_next=False)\n"
        "            accepted = self._spool.append_once(self._stream, batch.events, sequence)\n",
        _KILLS,
    ),
]  # fmt: skip
