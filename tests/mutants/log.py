"""The log: fsyncs, locks, fences, comparisons. Rule numbers are those of the design of the spool."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_LOG = ("tests/unit/log",)
_KILLS = ("tests/crash/test_log_kills.py",)
_FAULTS = ("tests/crash/test_log_faults.py",)
_DAMAGE = ("tests/crash/test_log_damage.py",)
_POWER = ("tests/crash/test_log_power_loss.py", "-k", "promised or unsynced")
_LOCK = ("tests/unit/spool/test_file_lock.py",)
_FILE = ("tests/unit/spool/test_durable_file.py",)
_CLIENT = ("tests/unit/intake/test_client.py",)

_PRODUCERS = ("tests/unit/log/test_idempotent_producers.py",)

MUTANTS = [
    # Idempotent producers.
    Mutant(
        "a repetition is looked up", "spool/log/producers.py",
        "        if unit.sequence == expected:\n            return None\n", "        return None\n", _PRODUCERS,
    ),
    Mutant(
        "the content of a repetition is compared", "spool/log/producers.py",
        "        if (entry.event_count, entry.checksum) != (unit.event_count, unit.checksum):", "        if False:", _PRODUCERS,
    ),
    Mutant(
        "the table is saved before the first sequence", "spool/log/producer_state.py",
        "            save_producers(self._log.path, self._disk, saved)\n        self._table", "        self._table", _PRODUCERS,
    ),
    Mutant(
        "shipping keeps what the table needs", "spool/shipping/waiting_segments.py",
        " or (needed is not None and file.segment >= needed)", "", _PRODUCERS,
    ),
    Mutant(
        "an older table replaces no newer one", "spool/log/producer_file.py",
        "        if present is not None and (present.segment, present.offset) > (saved.segment, saved.offset):\n"
        "            return\n", "", _PRODUCERS,
    ),
    Mutant(
        "a unit is noted only when its commit is durable", "spool/log/writer.py",
        "            first = self._append(state, commit.builder_of(new), sum(len(unit.records) for unit in new))\n",
        "            for pending in new:\n                table.note(pending.unit, self.log.log, state.next_offset)\n"
        "            first = self._append(state, commit.builder_of(new), sum(len(unit.records) for unit in new))\n",
        ("tests/crash/test_log_power_loss.py", "-k", "producer and sync"),
    ),
    Mutant(
        "a fork passes on what is known of producers", "spool/shipping/fork.py",
        "    inherit(successor, forking.disk, (forking.log.log, mark.segment))\n", "", _PRODUCERS,
    ),
    Mutant(
        "a sequence for another log is not written", "spool/log/unit_commit.py",
        "        if self._meant_for != log:", "        if False:", _PRODUCERS,
    ),
    Mutant(
        "a sequence is certainly not written only where its log is inherited", "spool/log/unit_commit.py",
        "            certain = self._meant_for in table.inherited", "            certain = True", _PRODUCERS,
    ),
    Mutant(
        "a table that knows more than the log is read again", "spool/log/producer_state.py",
        "        return following is not None and following.begins_at < self._cursor.offset", "        return False", _PRODUCERS,
    ),
    Mutant(
        "a damaged table is not believed", "spool/log/producer_file.py",
        'about.pop("sha256") != _checksum(about, body)', 'not about.pop("sha256")', _PRODUCERS,
    ),
    Mutant(
        "a source is released durably", "spool/log/writer.py", "                self._producers.save(state)\n", "                pass\n",
        _PRODUCERS,
    ),
    # Syncs.
    Mutant(
        "fdatasync of a commit", "spool/log/held_log.py",
        '        self._disk.sync_data(self.segment.descriptor)\n        failpoints.reach("log.append.synced")',
        '        failpoints.reach("log.append.synced")', _POWER,
    ),
    Mutant(
        "fdatasync of adopted commits", "spool/log/held_log.py",
        "        try:\n            self._disk.sync_data(self.segment.descriptor)\n        except OSError:\n"
        "            return self._closed_as_failed(state)\n        first_commit_ns",
        "        first_commit_ns", _POWER,
    ),
    Mutant(
        "fdatasync before a seal", "spool/log/held_log.py",
        "            # All below the synced end is durable; this makes the size so, where a write was cut again.\n"
        "            self._disk.sync_data(self.segment.descriptor)",
        "            pass", _POWER,
    ),
    Mutant(
        "fsync of the folder after a seal", "spool/log/held_log.py",
        "        self._disk.sync_folder(self.log.path)\n", "", _POWER,
    ),
    Mutant(
        "fdatasync of a new segment", "spool/log/recovery.py",
        '        failpoints.reach("log.open.written")\n        disk.sync_data(descriptor)',
        '        failpoints.reach("log.open.written")', _POWER,
    ),
    Mutant(
        "fsync of the folder of a new segment", "spool/log/recovery.py",
        '    failpoints.reach("log.open.synced")\n    disk.sync_folder(log.path)',
        '    failpoints.reach("log.open.synced")', _POWER,
    ),
    Mutant(
        "fsync of a rename that a dead process made", "spool/log/recovery.py",
        "        disk.sync_folder(log.path)\n        return _create_next", "        return _create_next", _POWER,
    ),
    Mutant(
        "fdatasync of a segment that recovery closes", "spool/log/recovery.py",
        '            failpoints.reach("log.recovery.cut")\n        disk.sync_data(descriptor)',
        '            failpoints.reach("log.recovery.cut")', _POWER,
    ),
    Mutant(
        "fsync of the folder of a segment that recovery closes", "spool/log/recovery.py",
        '    failpoints.reach("log.recovery.renamed")\n    disk.sync_folder(log.path)',
        '    failpoints.reach("log.recovery.renamed")', _POWER,
    ),
    Mutant(
        "fsync of the folder of a new log", "spool/log/identity.py",
        "    disk.sync_folder(stream_path)\n", "", _POWER,
    ),
    Mutant(
        "fdatasync of a small file", "spool/durable_file.py",
        "        disk.sync_data(descriptor)\n", "", (*_FILE, *_POWER),
    ),
    Mutant(
        "fsync of a small file's folder", "spool/durable_file.py",
        "    disk.sync_folder(path.parent)\n", "", (*_FILE, *_POWER),
    ),
    Mutant("fsync of the folders above a log", "spool/disk.py", "        disk.sync_folder(parent)\n", "        pass\n", _POWER),
    # The three outcomes.
    Mutant(
        "a failed fsync marks the segment", "spool/log/writer.py",
        "        except OSError as error:\n            self._held.mark_failed(state)\n", "        except OSError as error:\n",
        _LOG,
    ),
    Mutant(
        "the mark is looked at", "spool/log/held_log.py",
        "        if state.flags & FAILED or (", "        if (", _LOG,
    ),
    Mutant(
        "this process remembers a mark that it could not write", "spool/log/held_log.py",
        "            _unmarked_failures[self.log.path] = state\n", "", _FAULTS,
    ),
    Mutant(
        "others cannot go on from a segment without its mark", "spool/log/held_log.py",
        '                self._disk.unlink(self.log.path / "lock")\n', "", _LOG,
    ),
    Mutant(
        "a doubtful commit is cut where its mark cannot be written", "spool/log/held_log.py",
        "            with contextlib.suppress(OSError):\n"
        "                self._disk.truncate(self.segment.descriptor, state.synced_end)\n",
        "            with contextlib.suppress(OSError):\n", _LOG,
    ),
    Mutant(
        "what recovery of a failed segment keeps ends at the synced end", "spool/log/held_log.py",
        "synced_end = failed.synced_end if failed is not None and is_open else None", "synced_end = None", _LOG,
    ),
    Mutant(
        "a failed write is cut", "spool/log/writer.py",
        "            if self._held.cut(state):\n                raise\n", "            raise\n", _LOG,
    ),
    Mutant(
        "a write that could not be cut is unknown", "spool/log/writer.py",
        "            if self._held.cut(state):\n                raise\n", "            self._held.cut(state)\n            raise\n",
        _LOG,
    ),
    Mutant(
        "a commit that could not be noted is unknown", "spool/log/writer.py",
        "            self._held.note_commit(state, frame, event_count)\n        except OSError as error:",
        "            self._held.note_commit(state, frame, event_count)\n        except ZeroDivisionError as error:", _FAULTS,
    ),
    Mutant(
        "an unreadable segment fails no append that is durable", "spool/log/running_hash.py",
        "            except OSError:\n                return", "            except ZeroDivisionError:\n                return", _LOG,
    ),
    Mutant(
        "an error of the look at the lock file is a refusal", "spool/log/writer.py",
        "        with disk_errors_refuse(self._name):\n            state = self.peek()",
        "        if True:\n            state = self.peek()", _FAULTS,
    ),
    Mutant(
        "an error of the wait for s3 is unknown", "spool/intake/client.py",
        "        except Exception as error:  # whatever", "        except LockTimeout as error:  # whatever", _CLIENT,
    ),
    # Who may write.
    Mutant(
        "a removed lock file is noticed (rule 3)", "spool/file_lock.py",
        "                if self._is_named():", "                if True:", (*_LOCK, *_LOG),
    ),
    Mutant(
        "a child closes the locks it inherited (rule 3)", "spool/file_lock.py",
        "    for lock in _open_locks:\n        lock._close()\n", "", (*_LOCK, *_KILLS),
    ),
    Mutant(
        "a lock file is opened under the gate of forks", "spool/file_lock.py",
        "            with _gate:\n                self._descriptor = self._open_file",
        "            if True:\n                self._descriptor = self._open_file", _LOCK,
    ),
    Mutant(
        "an interrupt while the lock is taken frees it", "spool/file_lock.py",
        "        except BaseException:\n            self.release()\n            raise",
        "        except BaseException:\n            raise", ("tests/unit/spool/test_file_lock.py::test_an_interrupt_of_acquire_frees_the_lock",),
    ),
    Mutant(
        "a holder's note that finds no room fails nobody", "spool/file_lock.py",
        "        with contextlib.suppress(OSError):\n            os.pwrite(", "        if True:\n            os.pwrite(", _LOCK,
    ),
    Mutant(
        "the next in turn is not passed by", "spool/file_lock.py",
        "            if not _try_turn(self.descriptor):\n                self._wait_for_turn(deadline)\n", "", _LOCK,
    ),
    Mutant(
        "a stopped one does not keep its turn", "spool/file_lock.py",
        "patience = min(deadline, Deadline.after(_TURN_S))", "patience = deadline", _LOCK,
    ),
    Mutant(
        "a turn ends with the wait", "spool/file_lock.py", "        finally:\n            self._end_turn()",
        "        finally:\n            pass", _LOCK,
    ),
    Mutant(
        "a link is no lock file", "spool/file_lock.py", " | os.O_CLOEXEC | os.O_NOFOLLOW", " | os.O_CLOEXEC", _LOCK,
    ),
    Mutant(
        "a lock file is for its owner only", "spool/file_lock.py", "_OWNER_ONLY = 0o600", "_OWNER_ONLY = 0o644", _LOCK,
    ),
    Mutant(
        "the log's name means the file that is written", "spool/log/segment_file.py",
        "        return (named.st_dev, named.st_ino) == self._inode", "        return True", _LOG,
    ),
    Mutant(
        "a child forgets what its parent opened", "spool/log/stream_log.py",
        "        self._writer.forget()\n", "", _LOG,
    ),
    Mutant(
        "a child forgets what its parent queued", "spool/log/stream_log.py", "        self._queue.reset()\n", "", _LOG,
    ),
    Mutant(
        "a retired log is not appended to", "spool/log/writer.py",
        '            _follow_if_retired(state)\n            if self._is_full(state):\n'
        "                state = self._held.seal(state)\n            return self._append(",
        "            if self._is_full(state):\n"
        "                state = self._held.seal(state)\n            return self._append(", _LOG,
    ),
    Mutant(
        "a recovered log stays retired", "spool/log/held_log.py",
        "RETIRED if read_identity(self.log.path).successor else 0", "0", _LOG,
    ),
    Mutant(
        "a log of another machine is not ours (rule 10)", "spool/log/identity.py",
        "identity.machine == machine_id() and ", "", _LOG,
    ),
    Mutant(
        "a log of another folder is not ours (rule 10)", "spool/log/identity.py",
        " and identity.inode == log_path.stat().st_ino", "", _LOG,
    ),
    Mutant(
        "a log that came with its folder is named in its successor", "spool/log/stream_log.py",
        "            ended = self._end(log, identity, deadline)\n", "            self._end(log, identity, deadline)\n", _LOG,
    ),
    Mutant(
        "a log is chosen under stream.lock", "spool/log/stream_log.py",
        '                with locked_file(stream_path / "stream.lock", self._stream.name, self._disk, deadline, self._alarms):',
        "                if True:", _CLIENT,
    ),
    Mutant(
        "a network file system is refused", "spool/log/stream_log.py", "            refuse_network(self._folder)\n", "",
        _LOG,
    ),
    # What is there after a crash.
    Mutant(
        "the state of another boot is not believed", "spool/log/held_log.py",
        "        if state is None or state.boot_id != boot_id():", "        if state is None:", _LOG,
    ),
    Mutant(
        "a segment that is shorter than its synced end is recovered", "spool/log/held_log.py",
        "        if size < state.synced_end:\n            return self._recovered(None)\n", "", _LOG,
    ),
    Mutant(
        "what a killed process wrote is looked at", "spool/log/held_log.py",
        "return state if size == state.synced_end else self._resumed(state, size)", "return state", _LOG,
    ),
    Mutant(
        "half a commit of a killed process is cut", "spool/log/held_log.py",
        "            self._disk.truncate(self.segment.descriptor, state.synced_end + scanned.end)\n", "            pass\n",
        _LOG,
    ),
    Mutant(
        "a lock file's record that does not pass its checksum is not believed", "spool/log/lock_file.py",
        "        if magic == MAGIC and crc == zlib.crc32(data[_HEAD.size :]):", "        if magic == MAGIC:", _LOG,
    ),
    Mutant(
        "readers stop at the synced end", "spool/log/reader.py", "            data = data[: state.synced_end]\n",
        "            pass\n", _LOG,
    ),
    Mutant(
        "commits beyond the next header are not read", "spool/log/reader.py",
        "if commit.next_offset <= next_offset)", ")", _LOG,
    ),
    Mutant(
        "a hole in front of a segment is the segment's", "spool/log/reader.py",
        "    if header.begins_at < header.first_offset:", "    if False:", _LOG,
    ),
    Mutant(
        "a segment of a newer version is left alone", "spool/log/recovery.py",
        "    except NewerVersion:\n        raise\n", "", _LOG,
    ),
    Mutant(
        "a segment of another log is left alone", "spool/log/recovery.py",
        "    refuse_foreign(header, log.stream, log.log, last.path.name)\n",
        "", _LOG,
    ),
    Mutant(
        "offsets that may have been given are not given again (rule 8)", "spool/log/recovery.py",
        "        header = header._replace(first_offset=lost.next)\n", "", (*_LOG, *_DAMAGE),
    ),
    Mutant(
        "what recovery cuts is kept beside", "spool/log/recovery.py",
        "            _keep_beside(disk, last, data, keep)\n", "", (*_DAMAGE, *_LOG),
    ),
    Mutant(
        "sealing has a reserve on a full disk", "spool/log/held_log.py",
        "opened = self._reserve.spend_if_full(lambda: create_segment(self.log, self._disk, header))",
        "opened = create_segment(self.log, self._disk, header)", _LOG,
    ),
    # The queue.
    Mutant(
        "a commit waits as long as its most patient caller", "spool/log/commit_queue.py",
        "last.deadline = max(last.deadline, deadline)", "last.deadline = deadline", _LOG,
    ),
    Mutant(
        "a caller that writes for others keeps its own deadline",
        "spool/log/commit_queue.py",
        "self._write(commit, min(commit.deadline, deadline))",
        "self._write(commit, commit.deadline)",
        _LOG,
    ),
    Mutant(
        "a shared commit is given back at its writer's deadline",
        "spool/log/commit_queue.py",
        "            if deadline < commit.deadline:",
        "            if False:",
        _LOG,
    ),
    Mutant(
        "the queue is bounded", "spool/log/commit_queue.py",
        "                if len(self._waiting) >= COMMITS_WAITING_MAX:", "                if False:", _LOG,
    ),
    Mutant(
        "an interrupted writer's callers hear unknown", "spool/log/commit_queue.py",
        'commit.error = AppendUnknown("the writing thread was interrupted", hint="look for the events by id")',
        "pass", _LOG,
    ),
    Mutant(
        "the next writer is woken", "spool/log/commit_queue.py", "            self._waiting[0].changed.notify()\n",
        "            pass\n", _LOG,
    ),
    Mutant(
        "a split call of which some failed is unknown", "spool/log/commit_queue.py", "    if durable:\n", "    if False:\n",
        _LOG,
    ),
    # Small files, descriptors, alarms.
    Mutant(
        "a temporary file is new", "spool/durable_file.py", " | os.O_EXCL | os.O_NOFOLLOW", "", _FILE,
    ),
    Mutant(
        "a temporary name is nobody else's", "spool/durable_file.py", "secrets.token_hex(16)", "'0' * 32", _FILE,
    ),
    Mutant(
        "small files are for their owner only", "spool/durable_file.py", "OWNER_ONLY = 0o600", "OWNER_ONLY = 0o644", _LOG,
    ),
    Mutant(
        "segments are for their owner only", "spool/disk.py", "flags: int, mode: int = 0o600", "flags: int, mode: int = 0o644",
        _LOG,
    ),
    Mutant("folders are for their owner only", "spool/disk.py", "path.mkdir(mode=0o700, ", "path.mkdir(", _LOG),
    Mutant(
        "a process keeps a bounded number of logs open", "spool/log/descriptor_budget.py",
        "            oldest.close_if_idle()\n", "            pass\n", _CLIENT,
    ),
    Mutant(
        "alarms wait until the lock is free", "spool/log/local_alarms.py",
        "        self._waiting.append((self._sink.open, (condition, subject, evidence)))",
        "        self._sink.open(condition, subject, evidence)", _LOG,
    ),
    Mutant(
        "a broken alarm sink fails no append", "spool/log/local_alarms.py",
        "            except Exception:  # a sink", "            except ZeroDivisionError:  # a sink", _LOG,
    ),
    Mutant(
        "the alarm log_locked is closed by whoever comes next", "spool/log/lock_file.py", "            self._mark()\n",
        "            pass\n", _KILLS,
    ),
]  # fmt: skip
