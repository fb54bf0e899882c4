"""
The object store over S3: PutObject with If-None-Match or If-Match, and a SHA-256 that the store compares before it
answers.

boto3's own retries are off: who calls knows better, and a put that is repeated silently could not tell its own earlier
success from somebody else's. A call runs in a thread of its own, so that it ends in time whatever the network does; the
thread of a call that was given up ends with its sockets' time-outs, and what it put nevertheless is found by the
conditional put that follows.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from spool.errors import (
    ObjectExists,
    ObjectMissing,
    PreconditionFailed,
    SettingsError,
    SpoolError,
    StoreRefused,
    StoreUnavailable,
)
from spool.settings import Places
from spool.store.object_store import ObjectInfo, StoredObject
from spool.store.s3_errors import BUCKET_HINT, code_of, explain, status_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import LifecycleRuleOutputTypeDef, ListObjectsV2OutputTypeDef

CALL_S = 10.0
# Of one wait within a call: to connect (and between two pieces of a request), and for the answer.
CONNECT_S = 3.0
READ_S = 8.0
# A replayer reads ahead with a few threads; each call holds one connection.
CONNECTIONS_MAX = 16
PAGE = 1000

T = TypeVar("T")


def s3_store_from_places(places: Places) -> S3Store:
    """SettingsError where the endpoint is no URL. Nothing is sent yet."""
    if places.s3_endpoint:
        _check_endpoint(places.s3_endpoint)
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=places.s3_endpoint or None,
        region_name=places.s3_region,
        aws_access_key_id=places.s3_access_key or None,
        aws_secret_access_key=places.s3_secret_key or None,
        config=client_config(path_style=bool(places.s3_endpoint)),
    )
    return S3Store(client, places.s3_bucket)


def _check_endpoint(url: str) -> None:
    endpoint = urlsplit(url)
    if endpoint.scheme not in ("http", "https") or not endpoint.hostname or "@" in endpoint.netloc:
        # Not repeated: credentials may have been put into it.
        raise SettingsError(
            "SPOOL_S3_ENDPOINT is not of the form http://host:port", hint="credentials have variables of their own"
        )


def client_config(*, path_style: bool) -> Config:
    """What a client must be made with to be used here."""
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=CONNECTIONS_MAX,
        s3={"addressing_style": "path" if path_style else "auto"},
        # Our own SHA-256 is sent with each put; without this boto3 would add a CRC32 besides.
        request_checksum_calculation="when_required",
    )


class S3Store:
    """
    An ObjectStore (store.py) in one bucket. For use by several threads, not over a fork.

    A rule that expires only tagged objects counts as expiring its prefix: whoever tags objects must not lose them.
    """

    def __init__(self, client: S3Client, bucket: str, *, call_s: float = CALL_S) -> None:
        self._client = client
        self._bucket = bucket
        self._call_s = call_s
        self._bucket_exists = False

    def put_if_absent(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        def put() -> str:
            answer = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, Metadata=dict(metadata), IfNoneMatch="*",
                ChecksumSHA256=_sha256(body),
            )  # fmt: skip
            return answer["ETag"]

        self._demand_bucket()
        return self._call(key, put, {412: ObjectExists})

    def put_if_match(self, key: str, body: bytes, etag: str | None) -> str:
        def put() -> str:
            checksum = _sha256(body)
            if etag is None:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*", ChecksumSHA256=checksum
                )
            else:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, IfMatch=etag, ChecksumSHA256=checksum
                )
            return answer["ETag"]

        self._demand_bucket()
        # AWS answers 404 where the object of an If-Match does not exist, others 412.
        return self._call(key, put, {412: PreconditionFailed, 404: PreconditionFailed})

    def get(self, key: str) -> StoredObject:
        def get() -> StoredObject:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return StoredObject(answer["Body"].read(), answer["ETag"], _lower(answer["Metadata"]))

        return self._call(key, get, {404: ObjectMissing})

    def metadata(self, key: str) -> Mapping[str, str]:
        def head() -> Mapping[str, str]:
            return _lower(self._client.head_object(Bucket=self._bucket, Key=key)["Metadata"])

        return self._call(key, head, {404: ObjectMissing})

    def get_tail(self, key: str, size_bytes: int) -> bytes:
        def get() -> bytes:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=-{size_bytes}")
            return answer["Body"].read()

        # 416: an empty object has no last bytes.
        try:
            return self._call(key, get, {404: ObjectMissing, 416: _EmptyObject})
        except _EmptyObject:
            return b""

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        for page in self._pages(prefix, {"StartAfter": start_after} if start_after else {}):
            yield from (ObjectInfo(line["Key"], line["Size"], line["ETag"]) for line in page.get("Contents", []))

    def folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, {"Delimiter": "/"}):
            yield from (line["Prefix"].removeprefix(prefix).rstrip("/") for line in page.get("CommonPrefixes", []))

    def delete(self, key: str) -> None:
        self._call(key, lambda: self._client.delete_object(Bucket=self._bucket, Key=key), {})

    def expiring_prefixes(self) -> tuple[str, ...]:
        def rules() -> tuple[str, ...]:
            try:
                answer = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)
            except ClientError as error:
                # A store without lifecycles deletes nothing by itself.
                if code_of(error) in ("NoSuchLifecycleConfiguration", "NotImplemented", "MethodNotAllowed"):
                    return ()
                raise
            enabled = (rule for rule in answer.get("Rules", []) if rule["Status"] == "Enabled")
            return tuple(_prefix(rule) for rule in enabled if "Expiration" in rule)

        return self._call("its lifecycle rules", rules, {})

    def _demand_bucket(self) -> None:
        """StoreRefused for a bucket that does not exist: some stores would make it with the first put."""
        if self._bucket_exists:
            return

        def head() -> None:
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                # Whoever may put need not be allowed to look: then the put itself will tell.
                if status_of(error) != HTTPStatus.FORBIDDEN:
                    raise

        self._call("", head, {404: _NoBucket})
        self._bucket_exists = True

    def _pages(self, prefix: str, first: Mapping[str, str]) -> Iterator[ListObjectsV2OutputTypeDef]:
        more = dict(first)
        while True:
            page = self._call(prefix, partial(self._page, prefix, more), {})
            yield page
            if not page["IsTruncated"] or "NextContinuationToken" not in page:
                return
            more = {**first, "ContinuationToken": page["NextContinuationToken"]}

    def _page(self, prefix: str, more: Mapping[str, Any]) -> ListObjectsV2OutputTypeDef:
        return self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=PAGE, **more)

    def _call(self, key: str, action: Callable[[], T], answers: Mapping[int, type[SpoolError]]) -> T:
        """Run `action` for at most `call_s`; `answers` are the statuses that the caller waits for."""
        where = f"s3://{self._bucket}/{key}"
        outcome: Future[T] = Future()
        threading.Thread(target=_settle, args=(outcome, action), name="spool-s3", daemon=True).start()
        try:
            return outcome.result(self._call_s)
        except TimeoutError:
            raise StoreUnavailable(f"{where}: no answer within {self._call_s:g} s", hint="it is asked again") from None
        except ClientError as error:
            answer = answers.get(status_of(error))
            if answer is not None and code_of(error) != "NoSuchBucket":
                raise answer(where) from None
            raise explain(error, where) from error
        except (BotoCoreError, OSError) as error:
            raise explain(error, where) from error


class _NoBucket(StoreRefused):
    """A HEAD request has no body that could say NoSuchBucket."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: the store has no such bucket", hint=BUCKET_HINT)


class _EmptyObject(SpoolError):
    """An answer to a range that an empty object has not; never leaves this module."""


def _settle(outcome: Future[T], action: Callable[[], T]) -> None:
    try:
        outcome.set_result(action())
    except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
        outcome.set_exception(error)


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in metadata.items()}


def _prefix(rule: LifecycleRuleOutputTypeDef) -> str:
    condition = rule.get("Filter", {})
    return condition.get("Prefix") or condition.get("And", {}).get("Prefix") or rule.get("Prefix") or ""
