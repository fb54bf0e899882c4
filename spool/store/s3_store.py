"""
The object store over S3: PutObject with If-None-Match or If-Match, and a SHA-256 that the store compares before it
answers.

boto3's own retries are off: callers know better, and a put that is repeated silently could not distinguish its own
earlier success from another's. Reads are retried here. Every call ends in time (bounded_call.py).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
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
from spool.store.bounded_call import Load, NotInTime, bounded
from spool.store.object_store import CALL_S, ObjectInfo, StoredObject
from spool.store.s3_errors import BUCKET_HINT, NotAnAnswer, code_of, explain, status_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, LifecycleRuleOutputTypeDef, ListObjectsV2OutputTypeDef

# Of one wait within a call: to connect (and between two pieces of a request), and for the next piece of the answer,
# which begins only when a slow link has carried what the kernel had taken from us: some 10 MB at 200 kB/s.
CONNECT_S = 3.0
READ_S = 60.0
# Reading changes nothing, so a passing refusal (503) is worth another try before anybody hears of it.
READ_TRIES = 4
READ_AGAIN_S = 0.05
# A replayer reads ahead with a few threads; each call holds one connection.
CONNECTIONS_MAX = 16
PAGE = 1000

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Read(Protocol[T_co]):
    """A request that may be repeated. is_last: no further try follows."""

    def __call__(self, load: Load, /, *, is_last: bool) -> T_co: ...


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
        # Asked for with each whole object. Some stores answer a part with the checksum of the whole, which no part has.
        response_checksum_validation="when_required",
    )


class S3Store:
    """
    An ObjectStore (store.py) in one bucket. For use by several threads, not over a fork.

    A rule that expires only tagged objects counts as expiring its prefix: objects that are tagged must not be lost.
    """

    def __init__(self, client: S3Client, bucket: str, *, call_s: float = CALL_S) -> None:
        self._client = client
        self._bucket = bucket
        self._call_s = call_s
        self._bucket_exists = False

    def put_if_absent(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        self._demand_bucket()
        return self._put(key, body, {412: ObjectExists}, Metadata=dict(metadata), IfNoneMatch="*")

    def put_if_match(self, key: str, body: bytes, etag: str | None) -> str:
        self._demand_bucket()
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        # AWS answers 404 where the object of an If-Match does not exist, others 412.
        return self._put(key, body, {412: PreconditionFailed, 404: PreconditionFailed}, **condition)

    def _put(self, key: str, body: bytes, answers: Mapping[int, type[SpoolError]], **options: Any) -> str:
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()

        def put(_: Load) -> str:
            response = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ChecksumSHA256=checksum, **options
            )
            if response.get("ChecksumSHA256", checksum) != checksum:
                raise NotAnAnswer("another checksum than that of what was sent")
            return response["ETag"]

        return self._call(key, put, answers, Load(len(body)))

    def get(self, key: str) -> StoredObject:
        def get(load: Load, *, is_last: bool) -> StoredObject:
            # A checksum that is wrong each time is the object's own: then its reader has to see it.
            mode: dict[str, Any] = {} if is_last else {"ChecksumMode": "ENABLED"}
            response = self._client.get_object(Bucket=self._bucket, Key=key, **mode)
            return StoredObject(_body(response, load), response["ETag"], _lower(response["Metadata"]))

        return self._read(key, get, {404: ObjectMissing})

    def metadata(self, key: str) -> Mapping[str, str]:
        def head(_: Load, *, is_last: bool) -> Mapping[str, str]:
            response = self._client.head_object(Bucket=self._bucket, Key=key)
            _demand_etag(response)
            return _lower(response["Metadata"])

        return self._read(key, head, {404: ObjectMissing})

    def get_tail(self, key: str, size_bytes: int) -> bytes:
        def get(load: Load, *, is_last: bool) -> bytes:
            response = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=-{size_bytes}")
            # A store that knows no ranges sends the whole object.
            return _body(response, load)[-size_bytes:]

        # 416: an empty object has no last bytes.
        try:
            return self._read(key, get, {404: ObjectMissing, 416: _EmptyObject})
        except _EmptyObject:
            return b""

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        for page in self._pages(prefix, {"StartAfter": start_after} if start_after else {}):
            yield from (ObjectInfo(line["Key"], line["Size"], line["ETag"]) for line in page.get("Contents", []))

    def folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, {"Delimiter": "/"}):
            yield from (line["Prefix"].removeprefix(prefix).rstrip("/") for line in page.get("CommonPrefixes", []))

    def delete(self, key: str) -> None:
        self._read(key, lambda _, is_last: self._client.delete_object(Bucket=self._bucket, Key=key), {})

    def expiring_prefixes(self) -> tuple[str, ...]:
        def rules(_: Load, *, is_last: bool) -> tuple[str, ...]:
            try:
                response = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)
            except ClientError as error:
                # A store without lifecycles deletes nothing by itself.
                if code_of(error) in ("NoSuchLifecycleConfiguration", "NotImplemented", "MethodNotAllowed"):
                    return ()
                raise
            enabled = (rule for rule in response.get("Rules", []) if rule["Status"] == "Enabled")
            return tuple(_prefix(rule) for rule in enabled if "Expiration" in rule)

        return self._read("its lifecycle rules", rules, {})

    def _demand_bucket(self) -> None:
        """StoreRefused for a bucket that does not exist: some stores would make it with the first put."""
        if self._bucket_exists:
            return

        def head(_: Load, *, is_last: bool) -> None:
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                # A user that may put need not be allowed to look: then the put itself decides.
                if status_of(error) != HTTPStatus.FORBIDDEN:
                    raise

        self._read("", head, {404: _NoBucket})
        self._bucket_exists = True

    def _pages(self, prefix: str, first: Mapping[str, str]) -> Iterator[ListObjectsV2OutputTypeDef]:
        more = dict(first)
        while True:
            page = self._read(prefix, partial(self._page, prefix, more), {})
            yield page
            if not page["IsTruncated"] or "NextContinuationToken" not in page:
                return
            more = {**first, "ContinuationToken": page["NextContinuationToken"]}

    def _page(self, prefix: str, more: Mapping[str, Any], _: Load, *, is_last: bool) -> ListObjectsV2OutputTypeDef:
        page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=PAGE, **more)
        if "IsTruncated" not in page:
            raise NotAnAnswer("no list of objects")
        return page

    def _read(self, key: str, action: Read[T], answers: Mapping[int, type[SpoolError]]) -> T:
        """An action that may be repeated: a passing failure is tried again a few times, one that took long is not."""
        for number in range(1, READ_TRIES + 1):
            try:
                return self._call(key, partial(action, is_last=number == READ_TRIES), answers, Load())
            except _GivenUp:
                raise
            except StoreUnavailable:
                if number == READ_TRIES:
                    raise
                time.sleep(random.uniform(1, 2) * READ_AGAIN_S * 2 ** (number - 1))
        raise AssertionError("unreachable")

    def _call(self, key: str, action: Callable[[Load], T], answers: Mapping[int, type[SpoolError]], load: Load) -> T:
        """Run `action` within the time for its load; `answers` are statuses that the caller expects."""
        where = f"s3://{self._bucket}/{key}"
        try:
            return bounded(action, load, self._call_s)
        except NotInTime:
            limit_s = load.limit_s(self._call_s)
            raise _GivenUp(f"{where}: no answer within {limit_s:g} s", hint="it is asked again") from None
        except ClientError as error:
            mapped = answers.get(status_of(error))
            if mapped is not None and code_of(error) != "NoSuchBucket":
                raise mapped(where) from None
            raise explain(error, where) from error
        except (BotoCoreError, OSError, NotAnAnswer, KeyError) as error:
            raise explain(error, where) from error


class _GivenUp(StoreUnavailable):
    """It took its whole time; trying again at once would take it again."""


class _NoBucket(StoreRefused):
    """A HEAD request has no body that could say NoSuchBucket."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: the store has no such bucket", hint=BUCKET_HINT)


class _EmptyObject(SpoolError):
    """An answer to a range that an empty object has not; never leaves this module."""


def _body(response: GetObjectOutputTypeDef, load: Load) -> bytes:
    with contextlib.closing(response["Body"]) as body:
        _demand_etag(response)
        load.size_bytes = response["ContentLength"]
        return body.read()


def _demand_etag(response: Mapping[str, Any]) -> None:
    """Every answer about an object has one; a proxy's or a portal's page has none."""
    if not response.get("ETag"):
        raise NotAnAnswer("no ETag")


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in metadata.items()}


def _prefix(rule: LifecycleRuleOutputTypeDef) -> str:
    condition = rule.get("Filter", {})
    return condition.get("Prefix") or condition.get("And", {}).get("Prefix") or rule.get("Prefix") or ""
