"""
An object store in a folder, for tests that kill the process which uses it: what was answered is there afterwards.

One file per object: the length of the metadata, the metadata as JSON, the body. A key is taken by one link(2), and
changed under a lock file, so conditions hold between processes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import struct
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from spool.errors import ObjectExists, ObjectMissing, PreconditionFailed
from spool.store.object_store import ObjectInfo, StoredObject

_LENGTH = struct.Struct(">I")


class FolderStore:
    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def put_if_absent(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        temporary = self._write(body, metadata)
        try:
            os.link(temporary, self._path(key))
        except FileExistsError:
            raise ObjectExists(key) from None
        finally:
            temporary.unlink()
        return _etag(body, metadata)

    def put_if_match(self, key: str, body: bytes, etag: str | None) -> str:
        with self._locked():
            try:
                found: str | None = self.get(key).etag
            except ObjectMissing:
                found = None
            if found != etag:
                raise PreconditionFailed(key)
            metadata = {"change": uuid.uuid4().hex}
            self._write(body, metadata).replace(self._path(key))
            return _etag(body, metadata)

    def get(self, key: str) -> StoredObject:
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        (size,) = _LENGTH.unpack_from(data)
        metadata = json.loads(data[4 : 4 + size])
        body = data[4 + size :]
        return StoredObject(body, _etag(body, metadata), {k: v for k, v in metadata.items() if k != "change"})

    def metadata(self, key: str) -> Mapping[str, str]:
        return self.get(key).metadata

    def get_tail(self, key: str, size_bytes: int) -> bytes:
        return self.get(key).body[-size_bytes:]

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        for key in self._keys(prefix):
            if key > start_after:
                found = self.get(key)
                yield ObjectInfo(key, len(found.body), found.etag)

    def folders(self, prefix: str) -> Iterator[str]:
        rest = (key.removeprefix(prefix) for key in self._keys(prefix))
        yield from sorted({part.partition("/")[0] for part in rest if "/" in part})

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def expiring_prefixes(self) -> tuple[str, ...]:
        return ()

    def _keys(self, prefix: str) -> list[str]:
        keys = (urllib.parse.unquote(path.name) for path in self._objects.iterdir())
        return sorted(key for key in keys if key.startswith(prefix))

    def _path(self, key: str) -> Path:
        return self._objects / urllib.parse.quote(key, safe="")

    def _write(self, body: bytes, metadata: Mapping[str, str]) -> Path:
        temporary = self._folder / uuid.uuid4().hex
        head = json.dumps({name.lower(): value for name, value in metadata.items()}).encode()
        temporary.write_bytes(_LENGTH.pack(len(head)) + head + body)
        return temporary

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _etag(body: bytes, metadata: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode() + body).hexdigest()
