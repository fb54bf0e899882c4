"""
What the engine asks of an object store. `s3_store.py` is the real one, `tests/fakes/memory_store.py` the one that fails
on demand; `tests/contract/test_object_store.py` runs on both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

# A call with no body to speak of ends within this time.
CALL_S = 10.0
# A link that is slower counts as none: an object of 16 MB then takes 80 s.
SLOWEST_BYTES_PER_S = 200_000


def call_limit_s(size_bytes: int) -> float:
    """How long a call may take that carries so many bytes, there or back."""
    return CALL_S + size_bytes / SLOWEST_BYTES_PER_S


class ObjectInfo(NamedTuple):
    """One line of a listing."""

    key: str
    size_bytes: int
    etag: str


class StoredObject(NamedTuple):
    """A whole object. `metadata` keys are lower-case."""

    body: bytes
    etag: str
    metadata: Mapping[str, str]


class ObjectStore(Protocol):
    """
    Every method raises StoreUnavailable (try again) or StoreRefused (a person is needed), besides what it names.

    Each call ends within `call_limit_s` of what it carries. Strong read-after-write and listing in UTF-8 binary order
    are assumed, as S3 gives them.
    """

    def put_if_absent(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        """
        Store an object under a free key and return its ETag; ObjectExists where the key is taken.

        Durable and checksum-verified by the store when it returns. After StoreUnavailable the object may exist.
        """
        ...

    def put_if_match(self, key: str, body: bytes, etag: str | None) -> str:
        """Replace the object with this ETag (None = it must not exist) and return the new one; PreconditionFailed."""
        ...

    def get(self, key: str) -> StoredObject:
        """The whole object; ObjectMissing."""
        ...

    def metadata(self, key: str) -> Mapping[str, str]:
        """Only the metadata; ObjectMissing."""
        ...

    def get_tail(self, key: str, size_bytes: int) -> bytes:
        """The last `size_bytes` of the object, or all of it where it is shorter; ObjectMissing."""
        ...

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        """All objects below `prefix` with keys above `start_after`, in binary order; pages are fetched as needed."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """The distinct next parts of keys below `prefix` (which ends in `/`), in order, without slashes."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; missing is fine."""
        ...

    def expiring_prefixes(self) -> tuple[str, ...]:
        """The prefixes below which the store deletes objects by itself; "" stands for the whole bucket."""
        ...
