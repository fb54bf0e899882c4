"""
Every error the engine raises.

    SpoolError
    ├── TerminalError            a retry gives the same result: fail the task, notify a person
    │   ├── SettingsError        a file, key or variable of the settings is missing or wrong
    │   ├── ProducerConflict     a sequence that does not follow the producer's last one; nothing was written
    │   ├── ProducerMoved        a sequence meant for a log that has a successor; nothing was written
    │   ├── EventRefused         an event can never be appended as it is (size, name, group)
    │   ├── FolderRefused        the spool folder cannot be used (network file system, not ours, no space)
    │   ├── CorruptSegment       bytes that were once durable do not pass their checks
    │   ├── CorruptObject        an archived object does not pass its checks
    │   ├── StoreRefused         the object store will never do what is asked (credentials, bucket, no conditions)
    │   ├── TopicRefused         a Kafka topic cannot hold the stream (partitions, policy, limits, missing)
    │   ├── KafkaRefused         Kafka will never do what is asked (credentials, authorisation)
    │   ├── OperatorNeeded       going on would skip or repeat events: a person decides (Kafka replaced)
    │   │   ├── LogGap           a segment is missing while later ones are there; heals when it comes
    │   │   └── CorruptRecord    a note beside the events (checkpoint, delivery, marker, letter) cannot be read
    │   ├── LetterRefused        a dead letter cannot be requeued or discarded as asked; nothing was done to it
    │   ├── NotOwner             another instance owns this log's replay
    │   ├── ShipFailed           some logs of a folder were not shipped; the others were
    │   └── VerifyFailed         the archive and Kafka differ
    ├── TransientError           trying again may help: the orchestrator retries
    │   ├── StoreUnavailable     the object store does not respond, or responds with an error
    │   ├── KafkaUnavailable     Kafka does not respond, or responds with an error
    │   ├── LockTimeout          another process held the log for longer than our deadline
    │   └── SpoolFull            the queue or the disk is full: slow down, make space
    └── AppendUnknown            the events may or may not be durable: see `spool/README.md`, outcomes

    ObjectExists, ObjectMissing, PreconditionFailed are answers of the object store, not failures;
    they are caught inside spool/archive and never reach a user.
"""

from __future__ import annotations


class SpoolError(Exception):
    """Base of all. `hint` is one sentence that says what the operator should do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Airflow pickles the exception of a task; the default would lose `hint`.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[SpoolError], args: tuple[object, ...], state: dict[str, object]) -> SpoolError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class TerminalError(SpoolError):
    """Trying again gives the same result."""


class TransientError(SpoolError):
    """Trying again may help."""


class SettingsError(TerminalError):
    """A setting is missing or wrong; the message names file and key."""


class EventRefused(TerminalError):
    """An event can never be appended as it is; nothing was written."""


class ProducerConflict(TerminalError):
    """An idempotent append does not fit what the log knows of its producer; nothing was written."""


class ProducerMoved(TerminalError):
    """
    An idempotent append names a log that the stream has left; nothing was written by this attempt.

    log                    the stream's current log
    certainly_not_written  no earlier attempt was written either: it may be sent for the current log
    """

    def __init__(self, message: str, *, log: str, certainly_not_written: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log = log
        self.certainly_not_written = certainly_not_written


class FolderRefused(TerminalError):
    """The spool folder cannot be used."""


class CorruptSegment(TerminalError):
    """A local segment does not pass its checks at `position` (bytes from its start)."""

    def __init__(self, segment: str, position: int, reason: str) -> None:
        super().__init__(
            f"{segment} at byte {position}: {reason}",
            hint="see docs/runbooks/damaged-segment.md; nothing was deleted",
        )
        self.segment = segment
        self.position = position
        self.reason = reason


class CorruptObject(TerminalError):
    """An archived object does not pass its checks."""


class StoreRefused(TerminalError):
    """The object store will never do what is asked."""


class TopicRefused(TerminalError):
    """A Kafka topic cannot hold the stream as configured."""


class KafkaRefused(TerminalError):
    """Kafka will never do what is asked."""


class OperatorNeeded(TerminalError):
    """Going on alone would skip or repeat events; the hint says which commands decide."""


class LogGap(OperatorNeeded):
    """A segment of the archive is missing while later ones are there. The next run goes on if it has come."""


class CorruptRecord(OperatorNeeded):
    """A note of this program beside the events cannot be read; the message names it. It concerns its own log only."""


class LetterRefused(TerminalError):
    """Nothing was done to a dead letter; the message names it and says why."""


class NotOwner(TerminalError):
    """Another instance owns this log's replay; the next scheduled run tries again."""


class ShipFailed(TerminalError):
    """Several logs of a folder were not shipped; the message names each with its error. The others were shipped."""


class VerifyFailed(TerminalError):
    """What Kafka shows is not what the archive holds."""


class StoreUnavailable(TransientError):
    """The object store does not answer, or not well."""


class KafkaUnavailable(TransientError):
    """Kafka does not respond, or responds with an error."""


class LockTimeout(TransientError):
    """The log's lock was not free within the deadline; the message names its holder. Nothing was written."""


class SpoolFull(TransientError):
    """The append queue or the disk is full. Nothing was written."""


class AppendUnknown(SpoolError):
    """
    The events may or may not be durable: a failed fsync, or `s3` not reached before the deadline.

    Sending them again may double them (each copy has its own position and the same event id).
    """


class ObjectExists(SpoolError):
    """A conditional put found the key taken."""


class ObjectMissing(SpoolError):
    """The key does not exist."""


class PreconditionFailed(SpoolError):
    """The object's ETag was not the expected one: somebody else changed it."""
