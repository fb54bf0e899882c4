"""
An object store in memory that fails on demand.

    store.faults.append(Fault("put_if_absent", "lose_answer"))      the next such call
    store.faults.append(Fault("put_if_absent", "unavailable", key_part="000000000003", times=2))

kinds: `unavailable` nothing was done; `lose_answer` done, then StoreUnavailable; `conflict` (409) nothing was done;
`refused` StoreRefused; `delay` a put answers StoreUnavailable now and happens at `land_delayed()`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from spool.errors import ObjectExists, ObjectMissing, PreconditionFailed, SpoolError, StoreRefused, StoreUnavailable
from spool.store.object_store import ObjectInfo, StoredObject

T = TypeVar("T")


@dataclass
class Fault:
    call: str
    kind: str
    key_part: str = ""
    times: int = 1


class Call(NamedTuple):
    name: str
    key: str


@dataclass(eq=False)
class MemoryStore:
    """`calls` is what was asked, in order. The flags make it a store that ignores If-None-Match or If-Match."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    honours_if_none_match: bool = True
    honours_if_match: bool = True
    expiring: tuple[str, ...] = ()
    before_call: Callable[[str, str], None] | None = None

    def __post_init__(self) -> None:
        self._mutex = threading.RLock()
        self._delayed: list[Callable[[], object]] = []
        self._etags = 0

    def put_if_absent(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        def put() -> str:
            if key in self.objects and self.honours_if_none_match:
                raise ObjectExists(key)
            return self._write(key, body, metadata)

        return self._call("put_if_absent", key, put)

    def put_if_match(self, key: str, body: bytes, etag: str | None) -> str:
        def put() -> str:
            found = self.objects.get(key)
            if self.honours_if_match and (found.etag if found else None) != etag:
                raise PreconditionFailed(key)
            return self._write(key, body, {})

        return self._call("put_if_match", key, put)

    def get(self, key: str) -> StoredObject:
        return self._call("get", key, lambda: self._object(key))

    def metadata(self, key: str) -> Mapping[str, str]:
        return self._call("metadata", key, lambda: self._object(key).metadata)

    def get_tail(self, key: str, size_bytes: int) -> bytes:
        return self._call("get_tail", key, lambda: self._object(key).body[-size_bytes:])

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        def found() -> list[ObjectInfo]:
            keys = sorted(key for key in self.objects if key.startswith(prefix) and key > start_after)
            return [ObjectInfo(key, len(self.objects[key].body), self.objects[key].etag) for key in keys]

        return iter(self._call("list", prefix, found))

    def folders(self, prefix: str) -> Iterator[str]:
        def found() -> list[str]:
            rest = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
            return sorted({part.partition("/")[0] for part in rest if "/" in part})

        return iter(self._call("folders", prefix, found))

    def delete(self, key: str) -> None:
        self._call("delete", key, lambda: self.objects.pop(key, None))

    def expiring_prefixes(self) -> tuple[str, ...]:
        return self._call("expiring_prefixes", "", lambda: self.expiring)

    def land_delayed(self) -> list[SpoolError | None]:
        """Let the delayed puts happen now; their errors, which nobody hears, are returned."""
        errors: list[SpoolError | None] = []
        with self._mutex:
            delayed, self._delayed = self._delayed, []
            for put in delayed:
                try:
                    put()
                    errors.append(None)
                except SpoolError as error:
                    errors.append(error)
        return errors

    def damage(self, key: str, at: int) -> None:
        """Change one byte of an object, as a store that rots would."""
        found = self.objects[key]
        body = bytearray(found.body)
        body[at] ^= 0xFF
        self.objects[key] = found._replace(body=bytes(body))

    def _call(self, name: str, key: str, action: Callable[[], T]) -> T:
        if self.before_call:
            self.before_call(name, key)
        with self._mutex:
            self.calls.append(Call(name, key))
            fault = self._fault(name, key)
            if fault is None:
                return action()
            if fault.kind == "lose_answer":
                action()
            elif fault.kind == "delay":
                self._delayed.append(action)
            elif fault.kind == "refused":
                raise StoreRefused(f"{key}: refused on demand", hint="fake")
            raise StoreUnavailable(f"{key}: {fault.kind} on demand", hint="fake")

    def _object(self, key: str) -> StoredObject:
        try:
            return self.objects[key]
        except KeyError:
            raise ObjectMissing(key) from None

    def _write(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        self._etags += 1
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}-{self._etags}"'
        kept = MappingProxyType({name.lower(): value for name, value in metadata.items()})
        self.objects[key] = StoredObject(bytes(body), etag, kept)
        return etag

    def _fault(self, name: str, key: str) -> Fault | None:
        for fault in self.faults:
            if fault.call in (name, "*") and fault.key_part in key:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None
