"""
Streams and limits of the engine from `config/spool.yml`, places and credentials from the environment.

The file holds data that belongs to the code base; it never holds a secret, a host or a path. Those are `Places`:
in Airflow plugins/connections takes them from connections, on the command line they are the SPOOL_* variables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from spool import config_file
from spool.config_file import Block, Each, Key, WrongKey
from spool.errors import SettingsError
from spool.event import EVENT_BYTES_MAX, NAME, Acknowledgement

FORMAT_VERSION = 1
# A segment is laid out in memory as a whole, and one put has to carry it: at 200 kB/s that takes 5 minutes.
SEAL_BYTES_MAX = 64 * 1024 * 1024
_HINT = "docs/settings.md describes every key"
_NAME_IS = "lower-case letters, digits and _, beginning with a letter or digit"


@dataclass(frozen=True)
class StreamSettings(Block):
    """One stream. `topic` has exactly `partitions` partitions, or replay lays the events out again (slower)."""

    name_field: ClassVar[str] = "name"

    name: str
    topic: Annotated[str, Key("Kafka topic of the events")]
    partitions: Annotated[
        int,
        Key(
            "partitions that objects are laid out for; with another number than the topic's, replay is slower", above=0
        ),
    ] = 1
    acknowledgement: Annotated[
        Acknowledgement, Key("what `append` waits for: `s3` (the object store has it) or `disk` (fsynced on this host)")
    ] = "s3"
    persistent: Annotated[bool, Key("the spool folder survives a reboot; required for `acknowledgement: disk`")] = False
    seal_bytes: Annotated[
        int, Key("a segment is sealed at this size", unit="bytes", above=0, at_most=SEAL_BYTES_MAX)
    ] = 16 * 1024 * 1024
    seal_age_s: Annotated[
        float,
        Key(
            "a segment is sealed this long after its first commit; streams with `s3` seal earlier for a waiter", "s", 0
        ),
    ] = 60.0
    seal_gap_s: Annotated[
        float, Key("at least this long between two seals for waiters; bounds the number of objects", "s", 0)
    ] = 0.5
    event_bytes_max: Annotated[
        int, Key("larger events are refused at append", unit="bytes", above=0, at_most=EVENT_BYTES_MAX)
    ] = EVENT_BYTES_MAX

    def refusals(self) -> Iterator[WrongKey]:
        if self.acknowledgement == "disk" and not self.persistent:
            yield WrongKey("persistent", "must be true for acknowledgement: disk, which lives as long as the folder")


@dataclass(frozen=True)
class Settings(Block):
    """The whole of `config/spool.yml`."""

    root: Annotated[str, Key("first part of every object key", pattern=NAME, what=_NAME_IS)]
    checkpoint_topic: Annotated[
        str, Key("compacted topic with one record for each log, written in the transaction that carries the events")
    ]
    checkpoint_partitions: Annotated[
        int,
        Key("partitions of the checkpoint topic; can never change: a checkpoint is found by its key's hash", above=0),
    ]
    deliveries_topic: Annotated[
        str, Key("topic of what each transaction delivered where; the fast form of verify reads it")
    ]
    deliveries_retention_days: Annotated[int, Key("how far back the fast form of verify reaches", "days", above=0)]
    streams: Annotated[Mapping[str, StreamSettings], Each(NAME, _NAME_IS, "streams by name", nothing="names no stream")]

    def stream(self, name: str) -> StreamSettings:
        """The stream called `name`; SettingsError with the known names otherwise."""
        try:
            return self.streams[name]
        except KeyError:
            names = ", ".join(sorted(self.streams))
            raise SettingsError(
                f"unknown stream {name!r}", hint=f"known streams are {names}; add it to config/spool.yml"
            ) from None


@dataclass(frozen=True)
class Places:
    """
    Where the neighbours are. `folder` is the spool folder of this host; it holds one log per stream.

    Credentials are kept out of repr, logs and errors.
    """

    folder: Path
    s3_bucket: str
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: str = ""
    kafka: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        kafka = (self.kafka or {}).get("bootstrap.servers", "none")
        return f"Places(folder={self.folder}, s3={self.s3_endpoint}/{self.s3_bucket}, kafka={kafka})"

    @property
    def kafka_bootstrap(self) -> str:
        """`host:port,...`; SettingsError where none is set."""
        try:
            return (self.kafka or {})["bootstrap.servers"]
        except KeyError:
            raise SettingsError("no Kafka is configured", hint="set SPOOL_KAFKA_BOOTSTRAP=host:port") from None


def places_from_environment(environment: Mapping[str, str] = os.environ) -> Places:
    """Read SPOOL_FOLDER, SPOOL_S3_{BUCKET,ENDPOINT,REGION,ACCESS_KEY,SECRET_KEY}, SPOOL_KAFKA_BOOTSTRAP."""

    def required(name: str) -> str:
        value = environment.get(name, "")
        if not value:
            raise SettingsError(
                f"{name} is not set", hint="`make status` prints the variables of the local stack; see .env.example"
            )
        return value

    bootstrap = environment.get("SPOOL_KAFKA_BOOTSTRAP", "")
    return Places(
        folder=Path(required("SPOOL_FOLDER")),
        s3_bucket=required("SPOOL_S3_BUCKET"),
        s3_endpoint=environment.get("SPOOL_S3_ENDPOINT", ""),
        s3_region=environment.get("SPOOL_S3_REGION", "us-east-1"),
        s3_access_key=environment.get("SPOOL_S3_ACCESS_KEY", ""),
        s3_secret_key=environment.get("SPOOL_S3_SECRET_KEY", ""),
        kafka={"bootstrap.servers": bootstrap} if bootstrap else None,
    )


DEFAULT_FILE = Path(__file__).parent.parent / "config" / "spool.yml"


def load(path: Path = DEFAULT_FILE) -> Settings:
    """Read and check the file; a SettingsError names the file, the path of keys and the line."""
    return config_file.load(path, Settings, version=FORMAT_VERSION, hint=_HINT)
