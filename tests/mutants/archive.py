"""The archive and the alarm book: floors, identities, what is believed."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_ARCHIVE = ("tests/unit/archive",)
_LYING = ("tests/unit/shipping/test_lying_store.py",)
_ALARMS = ("tests/unit/audit/test_alarm_book.py", "tests/unit/audit/test_alarm_isolation.py")

MUTANTS = [
    Mutant(
        "numbers below the floor do not count (rule 16)",
        "spool/archive/archive.py",
        "if key.segment >= max(start, floor):",
        "if key.segment >= start:",
        _ARCHIVE,
    ),
    Mutant(
        "the floor itself counts",
        "spool/archive/archive.py",
        "if key.segment >= max(start, floor):",
        "if key.segment > max(start, floor):",
        _ARCHIVE,
    ),
    Mutant(
        "a floor is never lowered",
        "spool/archive/floors.py",
        "if floor.segment >= segment:",
        "if False:",
        _ARCHIVE,
    ),
    Mutant(
        "a floor is raised on what was read",
        "spool/archive/floors.py",
        "store.put_if_match(_key(root, name), body, floor.etag)",
        "store.put_if_match(_key(root, name), body, read_floor(store, root, name).etag)",
        _ARCHIVE,
    ),
    Mutant(
        "a floor that cannot be read is not taken for none",
        "spool/archive/floors.py",
        '        raise CorruptObject(f"{key}: {error}", hint="restore it from a backup") from error\n',
        "        return Floor(0, None)\n",
        _ARCHIVE,
    ),
    Mutant(
        "a floor of a newer version is not read",
        "spool/archive/floors.py",
        "if version != VERSION:",
        "if False:",
        _ARCHIVE,
    ),
    Mutant(
        "an object is the one that its key says",
        "spool/archive/archive.py",
        "    if (archived.stream, archived.log, archived.segment) != (*name, segment):",
        "    if False:",
        _ARCHIVE,
    ),
    Mutant(
        "an identity without metadata is in the footer",
        "spool/archive/archive.py",
        "return noted or self.index(name, segment).source_sha256",
        'return noted or ""',
        _LYING,
    ),
    Mutant(
        "an alarm is changed on what was read",
        "spool/audit/alarm_book.py",
        "json.dumps({**document, **new._asdict()}).encode(), etag)",
        "json.dumps({**document, **new._asdict()}).encode(), self._read(key)[2])",
        _ALARMS,
    ),
    Mutant(
        "what waits on this host is carried over first",
        "spool/audit/alarm_book.py",
        "        self._try_sync()  # in the order of events: what waits here must not come over a later change\n",
        "",
        _ALARMS,
    ),
    Mutant(
        "what is known closed is asked for again now and then",
        "spool/audit/alarm_book.py",
        "last_read.is_open == (not alarm.closed_ms) and time.monotonic() < last_read.until",
        "last_read.is_open == (not alarm.closed_ms)",
        _ALARMS,
    ),
    Mutant(
        "an alarm never fails its caller",
        "spool/audit/alarm_book.py",
        "        except Exception:  # an alarm never fails its caller, whatever happens to it\n",
        "        except FileExistsError:\n",
        _ALARMS,
    ),
]
