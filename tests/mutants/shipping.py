"""Shipping: what is durable when, what is deleted after what, who is kept out. Rules are those of the design."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_UNIT = ("tests/unit/shipping",)
_FORK = ("tests/unit/shipping/test_fork.py",)
_SHIPPER = ("tests/unit/shipping/test_shipper.py",)
_WAITER = ("tests/unit/shipping/test_waiter.py",)
_ISOLATION = ("tests/unit/shipping/test_isolation.py",)
_MISSING = ("tests/unit/shipping/test_missing_files.py",)
_LYING = ("tests/unit/shipping/test_lying_store.py",)
_POWER = ("tests/crash/test_ship_power_loss.py",)
_KILLS = ("tests/crash/test_archive_kills.py",)

MUTANTS = [
    # Syncs.
    Mutant(
        "fsync of the folder that gets `orphans/`",
        "spool/shipping/shipped_record.py",
        "    disk.make_folder(folder)\n    disk.sync_folder(log_path)\n",
        "    disk.make_folder(folder)\n",
        _POWER,
    ),
    Mutant(
        "fsync of `orphans/`",
        "spool/shipping/shipped_record.py",
        "    disk.sync_folder(folder)\n",
        "",
        _POWER,
    ),
    Mutant(
        "fsync of the folder that gets `forked/`",
        "spool/shipping/fork.py",
        "    disk.make_folder(path / FORKED)\n    disk.sync_folder(path)\n",
        "    disk.make_folder(path / FORKED)\n",
        _POWER,
    ),
    Mutant(
        "fsync of `forked/`",
        "spool/shipping/fork.py",
        "    disk.sync_folder(path / FORKED)\n",
        "",
        _POWER,
    ),
    Mutant(
        "the removal of fork.json is synced",
        "spool/shipping/fork.py",
        "    disk.unlink(path / _MARK)\n    disk.sync_folder(path)\n",
        "    disk.unlink(path / _MARK)\n",
        _POWER,
    ),
    Mutant(
        "fork.json is removed",
        "spool/shipping/fork.py",
        "    disk.unlink(path / _MARK)\n    disk.sync_folder(path)\n",
        "    pass\n",
        _FORK,
    ),
    # Forks.
    Mutant(
        "two who move one fork exclude each other",
        "spool/shipping/fork.py",
        '    with locked(forking.log.path / _LOCK, Deadline.after(_LOCK_TIMEOUT_S), name=f"{forking.name}/{_LOCK}"):\n'
        "        yield",
        "    yield",
        _FORK,
    ),
    Mutant(
        "the successor is there before log.json names it",
        "spool/shipping/fork.py",
        '        failpoints.reach("archive.fork.successor_created")\n'
        "        if read_identity(log.path).successor != mark.successor:\n"
        "            write_successor(log.path, disk, mark.successor)\n",
        '        failpoints.reach("archive.fork.successor_created")\n',
        _FORK,
    ),
    Mutant(
        "the successor says what it continues",
        "spool/shipping/fork.py",
        "create_log(stream_path, disk, after=after, log_id=mark.successor)",
        "create_log(stream_path, disk, after=None, log_id=mark.successor)",
        _FORK,
    ),
    Mutant(
        "the old log is retired before records move",
        "spool/shipping/fork.py",
        "        writer.retire(deadline)\n",
        "        pass\n",
        _FORK,
    ),
    Mutant(
        "a move goes on behind what the successor holds",
        "spool/shipping/fork.py",
        "start = max(shared_until, _moved_until(forking, successor))",
        "start = shared_until",
        _KILLS,
    ),
    Mutant(
        "what the winner holds as well is not moved",
        "spool/shipping/fork.py",
        "start = max(shared_until, _moved_until(forking, successor))",
        "start = _moved_until(forking, successor)",
        _FORK,
    ),
    Mutant(
        "records are compared by their content",
        "spool/shipping/fork.py",
        "if any(theirs.get(offset) != content for offset, content in ours.items()):",
        "if any(offset not in theirs for offset, content in ours.items()):",
        _FORK,
    ),
    Mutant(
        "a record that has no room stops the move",
        "spool/shipping/fork.py",
        "headers) is None:",
        "headers) is False:",
        _FORK,
    ),
    Mutant(
        "the alarm of a fork is raised before its lock is taken",
        "spool/shipping/fork.py",
        '    forking.alarms.open("log_forked", str(forking.name), evidence)\n    with _exclusive(forking):\n',
        '    with _exclusive(forking):\n        forking.alarms.open("log_forked", str(forking.name), evidence)\n',
        _FORK,
    ),
    # What is deleted, and when.
    Mutant(
        "a put is looked for before anything is deleted",
        "spool/shipping/segment_put.py",
        "            return _is_there(archive, name, segment, source_sha256)",
        "            return True",
        _LYING,
    ),
    Mutant(
        "the identity of a taken key is compared",
        "spool/shipping/segment_put.py",
        "            return archive.source_sha256(name, segment) == source_sha256\n        except ObjectMissing:\n"
        "            continue",
        "            return bool(archive.source_sha256(name, segment))\n        except ObjectMissing:\n"
        "            continue",
        _FORK,
    ),
    Mutant(
        "the floor is read after the put",
        "spool/shipping/segment_put.py",
        "return Placed(ours, segment < floor.segment)",
        "return Placed(ours, False)",
        _SHIPPER,
    ),
    Mutant(
        "the floor itself counts",
        "spool/shipping/segment_put.py",
        "return Placed(ours, segment < floor.segment)",
        "return Placed(ours, segment <= floor.segment)",
        _SHIPPER,
    ),
    Mutant(
        "a segment is recorded before its file is removed",
        "spool/shipping/log_shipper.py",
        "        record_shipped(self._log.path, state, self._disk, Deadline.after(LOCK_S))\n"
        "        self._waiting.remove(file)",
        "        self._waiting.remove(file)\n"
        "        record_shipped(self._log.path, state, self._disk, Deadline.after(LOCK_S))",
        _SHIPPER,
    ),
    Mutant(
        "the highest file is kept",
        "spool/shipping/waiting_segments.py",
        "for file in files[:-1]:",
        "for file in files:",
        _SHIPPER,
    ),
    Mutant(
        "only what is shipped is removed",
        "spool/shipping/waiting_segments.py",
        'if file.state != "sealed" or file.segment > shipped or (',
        'if file.state != "sealed" or (',
        _UNIT,
    ),
    Mutant(
        "`shipped` never goes backwards",
        "spool/shipping/shipped_record.py",
        "if state.segment > read_shipped(log_path).segment:",
        "if True:",
        _SHIPPER,
    ),
    Mutant(
        "`shipped` is changed under its lock",
        "spool/shipping/shipped_record.py",
        '    with locked(log_path / LOCK, deadline, name=f"{log_path.parent.name}/{log_path.name}/{LOCK}"):\n',
        "    if True:\n",
        _ISOLATION,
    ),
    # Order and gaps.
    Mutant(
        "a segment waits for the one before it",
        "spool/shipping/log_shipper.py",
        "        if not self._follows_ours(file, source):\n            return self._forked(file, None)\n",
        "",
        _UNIT,
    ),
    Mutant(
        "a segment without the next one is not shipped",
        "spool/shipping/waiting_segments.py",
        "if sealed_path(self._path, number).exists() and self._is_here(number + 1):",
        "if sealed_path(self._path, number).exists():",
        _MISSING,
    ),
    Mutant(
        "a gap in the folder is no end",
        "spool/shipping/waiting_segments.py",
        "        self._refuse_gap(files)\n",
        "",
        _MISSING,
    ),
    Mutant(
        "the predecessor in the store is ours",
        "spool/shipping/predecessor.py",
        "return Predecessor.OURS if sha256 == previous_sha256 else Predecessor.THEIRS",
        "return Predecessor.OURS",
        _FORK,
    ),
    Mutant(
        "an orphan proves nothing about what follows",
        "spool/shipping/log_shipper.py",
        "        if is_orphan(self._log.path, number - 1):",
        "        if False:",
        _SHIPPER,
    ),
    Mutant(
        "offsets that recovery left out are a hole of the object",
        "spool/shipping/log_shipper.py",
        "        hole = self._hole_before(source)\n",
        "        hole = ()\n",
        ("tests/unit/shipping/test_holes_between_segments.py",),
    ),
    # Waiting and isolation.
    Mutant(
        "events in an orphan are unknown",
        "spool/shipping/waiter.py",
        "if is_orphaned_offset(log_path, next_offset - 1):",
        "if False:",
        _WAITER,
    ),
    Mutant(
        "a holder without a heartbeat is passed over",
        "spool/shipping/ship_lock.py",
        "return _heartbeat_age_s(folder) < STALE_S and is_locked(folder / LOCK)",
        "return is_locked(folder / LOCK)",
        _WAITER,
    ),
    Mutant(
        "only a holder says that it lives",
        "spool/shipping/ship_lock.py",
        "        if not self.held:\n            return\n",
        "",
        _WAITER,
    ),
    Mutant(
        "a heartbeat of another boot is none",
        "spool/shipping/ship_lock.py",
        "if written == _written_boot_id():",
        "if written:",
        _WAITER,
    ),
    Mutant(
        "a log in trouble has its turn beside the others",
        "spool/shipping/shipper.py",
        "            if turn.error is None:\n                done = done.plus(turn.take(lock, self._stop))\n",
        "            if True:\n                done = done.plus(turn.take(lock, self._stop))\n",
        _ISOLATION,
    ),
    Mutant(
        "a fault of one log is not that of the others",
        "spool/shipping/log_turn.py",
        "        except (SpoolError, OSError) as error:\n",
        "        except FileExistsError as error:\n",
        _ISOLATION,
    ),
    Mutant(
        "the successor of a fork is sealed by age",
        "spool/shipping/log_turn.py",
        "                writer.seal_if_due(deadline, for_waiter=False)\n",
        "                pass\n",
        _FORK,
    ),
]
