"""
What the engine is told: streams and limits from `config/spool.yml`, places and credentials from the environment.

The file holds data that belongs to the code base; it never holds a secret, a host or a path. Those are `Places`:
in Airflow plugins/connections takes them from connections, on the command line they are the SPOOL_* variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from spool.errors import SettingsError
from spool.event import EVENT_BYTES_MAX, NAME, Acknowledgement

FORMAT_VERSION = 1


@dataclass(frozen=True)
class StreamSettings:
    """
    One stream. `topic` has exactly `partitions` partitions, or replay lays the events out anew.

    acknowledgement  what `append` waits for: `s3` (the object store has it) or `disk` (fsynced here)
    persistent       the spool folder survives a reboot; must be said for `disk`
    seal_bytes       a segment is sealed at this size
    seal_age_s       ... or this long after its first commit (for `s3` streams a waiter seals earlier)
    seal_gap_s       at least this long between two seals for waiters: bounds the number of objects
    """

    name: str
    topic: str
    partitions: int = 1
    acknowledgement: Acknowledgement = "s3"
    persistent: bool = False
    seal_bytes: int = 16 * 1024 * 1024
    seal_age_s: float = 60.0
    seal_gap_s: float = 0.5
    event_bytes_max: int = EVENT_BYTES_MAX


@dataclass(frozen=True)
class Settings:
    """The whole of `config/spool.yml`. `root` is the first part of every object key."""

    root: str
    checkpoint_topic: str
    checkpoint_partitions: int
    deliveries_topic: str
    deliveries_retention_days: int
    streams: Mapping[str, StreamSettings]

    def stream(self, name: str) -> StreamSettings:
        """The stream called `name`; SettingsError with the known names otherwise."""
        try:
            return self.streams[name]
        except KeyError:
            known = ", ".join(sorted(self.streams))
            raise SettingsError(
                f"unknown stream {name!r}", hint=f"known streams are {known}; add it to config/spool.yml"
            ) from None


@dataclass(frozen=True)
class Places:
    """
    Where the neighbours are. `folder` is the spool folder of this host; one log per stream lies in it.

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
    """Read and check the file; a SettingsError names file and key."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist", hint="pass --config, or restore it from the repository") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {error}") from None
    return _settings(_Node(path, "", document))


class _Node:
    """A mapping of the file with the path of keys that leads to it, so that every error can name both."""

    def __init__(self, path: Path, where: str, value: object) -> None:
        self._path, self._where = path, where
        if not isinstance(value, dict):
            raise self.error("", f"must be a mapping, is {type(value).__name__}")
        self._value: dict[object, Any] = value

    def error(self, key: str, message: str) -> SettingsError:
        name = ".".join(filter(None, (self._where, key)))
        return SettingsError(f"{self._path}: {name or 'the file'}: {message}")

    def take(self, key: str, kind: type, default: object = None) -> Any:
        value = self._value.pop(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.error(key, f"must be {kind.__name__}, is {value!r}")
        return value

    def child(self, key: str) -> _Node:
        where = ".".join(filter(None, (self._where, key)))
        return _Node(self._path, where, self._value.pop(key, None))

    def names(self) -> list[str]:
        for key in self._value:
            if not isinstance(key, str):
                raise self.error(str(key), "must be text")
        return [str(key) for key in self._value]

    def refuse_rest(self, known: list[str]) -> None:
        for key in self._value:
            raise self.error(str(key), f"unknown key; known are {', '.join(known)}")


def _settings(node: _Node) -> Settings:
    if (version := node.take("version", int)) != FORMAT_VERSION:
        raise node.error("version", f"is {version}, this program reads {FORMAT_VERSION}")
    streams = node.child("streams")
    settings = Settings(
        root=_name(node, "root", node.take("root", str)),
        checkpoint_topic=node.take("checkpoint_topic", str),
        checkpoint_partitions=_positive(node, "checkpoint_partitions", int),
        deliveries_topic=node.take("deliveries_topic", str),
        deliveries_retention_days=_positive(node, "deliveries_retention_days", int),
        streams={name: _stream(streams, name) for name in streams.names()},
    )
    node.refuse_rest(["version", *(f.name for f in fields(Settings))])
    if not settings.streams:
        raise node.error("streams", "names no stream")
    return settings


def _stream(streams: _Node, name: str) -> StreamSettings:
    _name(streams, name, name)
    node = streams.child(name)
    defaults = StreamSettings(name=name, topic=name)
    stream = StreamSettings(
        name=name,
        topic=node.take("topic", str),
        partitions=_positive(node, "partitions", int, defaults.partitions),
        acknowledgement=node.take("acknowledgement", str, defaults.acknowledgement),
        persistent=node.take("persistent", bool, defaults.persistent),
        seal_bytes=_positive(node, "seal_bytes", int, defaults.seal_bytes),
        seal_age_s=_positive(node, "seal_age_s", float, defaults.seal_age_s),
        seal_gap_s=_positive(node, "seal_gap_s", float, defaults.seal_gap_s),
        event_bytes_max=_positive(node, "event_bytes_max", int, defaults.event_bytes_max),
    )
    node.refuse_rest([f.name for f in fields(StreamSettings) if f.name != "name"])
    if stream.acknowledgement not in ("s3", "disk"):
        raise node.error("acknowledgement", f"must be s3 or disk, is {stream.acknowledgement!r}")
    if stream.acknowledgement == "disk" and not stream.persistent:
        raise node.error("persistent", "must be true for acknowledgement: disk, which lives as long as the folder")
    if stream.event_bytes_max > EVENT_BYTES_MAX:
        raise node.error("event_bytes_max", f"must be at most {EVENT_BYTES_MAX}")
    return stream


def _positive(node: _Node, key: str, kind: type, default: object = None) -> Any:
    value = node.take(key, kind, default)
    if value <= 0:
        raise node.error(key, f"must be above 0, is {value}")
    return value


def _name(node: _Node, key: str, value: str) -> str:
    if not NAME.match(value):
        raise node.error(key, f"{value!r} must be lower-case letters, digits and _, beginning with a letter or digit")
    return value
