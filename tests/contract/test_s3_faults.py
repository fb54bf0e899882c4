"""The real S3 behind a proxy that fails, and wrong settings: each a clear error, and nothing lost or doubled."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spool.errors import (
    ObjectExists,
    ObjectMissing,
    PreconditionFailed,
    SettingsError,
    SpoolError,
    StoreRefused,
    StoreUnavailable,
)
from spool.store import s3_store
from spool.store.object_store import SLOWEST_BYTES_PER_S, ObjectStore
from spool.store.probe import probe_store
from spool.store.s3_store import S3Store, client_config, s3_store_from_places
from tests.fakes.s3_proxy import ProxyFault, S3Proxy
from tests.support.seaweed import Seaweed
from tests.support.spool_host import ROOT, SpoolHost, numbered, values

pytestmark = [pytest.mark.contract, pytest.mark.stack]


@pytest.fixture(scope="module")
def proxy(seaweed: Seaweed) -> Iterator[S3Proxy]:
    with S3Proxy("127.0.0.1", seaweed.port) as running:
        yield running


@pytest.fixture
def store(seaweed: Seaweed, proxy: S3Proxy) -> S3Store:
    """Through the proxy, to a bucket of its own."""
    proxy.faults.clear()
    proxy.requests.clear()
    proxy.bytes_per_s = 0
    return seaweed.store(proxy.endpoint)


FAULTS = {
    "answer lost": ProxyFault("PUT", "lose_answer", "000000000001.seg", times=2),
    "delayed": ProxyFault("PUT", "delay", "000000000001.seg", times=2),
    "409": ProxyFault("PUT", "status", "000000000001.seg", 2, 409, "ConditionalRequestConflict"),
    "412, then free": ProxyFault("PUT", "status", "000000000001.seg", 2, 412, "PreconditionFailed"),
    "500": ProxyFault("PUT", "status", "000000000001.seg", 2, 500, "InternalError"),
    "503": ProxyFault("*", "status", "", 5, 503, "SlowDown"),
    "bad digest on the way": ProxyFault("PUT", "status", "000000000001.seg", 1, 400, "BadDigest"),
    "floor unreadable": ProxyFault("GET", "status", "_meta/floors", 2, 500, "InternalError"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_shipping_survives(name: str, tmp_path: Path, store: S3Store, proxy: S3Proxy) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 3)
    fault = FAULTS[name]
    proxy.faults.append(ProxyFault(**vars(fault)))
    failures = 0
    while True:
        try:
            host.ship()
            break
        except StoreUnavailable:
            failures += 1
    assert failures <= fault.times
    assert proxy.faults == []
    # A put that was only late finds its key taken.
    assert set(proxy.land_delayed()) <= {412}
    assert values(store) == numbered("a", 3)
    assert host.alarms.ever == []
    assert host.files() == ["000000000003.open"]


def test_a_late_put_cannot_replace_another_folders_segment(tmp_path: Path, store: S3Store, proxy: S3Proxy) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    host.append("both")
    twin = host.snapshot(tmp_path / "twin", detected=False)
    host.append("one")
    twin.append("two")
    proxy.faults.append(ProxyFault("PUT", "delay", "000000000000.seg"))
    with pytest.raises(StoreUnavailable):
        host.ship()
    twin.ship()
    assert proxy.land_delayed() == [412]
    for _ in range(3):
        host.ship()
        twin.ship()
    assert values(store) == ["both", "one", "two"]


def test_half_an_answer_is_no_answer(store: S3Store, proxy: S3Proxy) -> None:
    store.put_if_absent("r/a", b"x" * 100_000, {})
    proxy.faults.append(ProxyFault("GET", "cut", "r/a", times=s3_store.READ_TRIES))
    with pytest.raises(StoreUnavailable):
        store.get("r/a")
    assert proxy.faults == []
    assert store.get("r/a").body == b"x" * 100_000


def test_a_call_ends_in_time_though_the_store_says_nothing(seaweed: Seaweed, proxy: S3Proxy) -> None:
    store = S3Store(seaweed.client(proxy.endpoint), seaweed.bucket(), call_s=0.3)
    proxy.faults[:] = [ProxyFault("PUT", "stall", seconds=3600)]
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 s"):
        store.put_if_absent("r/a", b"", {})


def test_a_body_that_was_changed_on_the_way_is_refused_by_the_store(seaweed: Seaweed) -> None:
    bucket = seaweed.bucket()
    client = seaweed.client()
    with pytest.raises(client.exceptions.ClientError, match="BadDigest"):
        client.put_object(Bucket=bucket, Key="a", Body=b"changed", ChecksumSHA256="A" * 43 + "=")
    with pytest.raises(ObjectMissing):
        S3Store(client, bucket).get("a")


def every_call(store: ObjectStore) -> list[SpoolError | None]:
    """What each call of the protocol raises."""
    found: list[SpoolError | None] = []
    for call in (
        lambda: store.put_if_absent("r/x", b"", {}),
        lambda: store.put_if_match("r/x", b"", None),
        lambda: store.put_if_match("r/x", b"", '"abc"'),
        lambda: store.get("r/x"),
        lambda: store.get_tail("r/x", 5),
        lambda: list(store.list("r/")),
        lambda: list(store.folders("r/")),
        lambda: store.expiring_prefixes(),
    ):
        try:
            call()
            found.append(None)
        except SpoolError as error:
            found.append(error)
    return found


def test_wrong_credentials_are_refused_without_showing_them(seaweed: Seaweed) -> None:
    bucket = seaweed.bucket()
    for wrong in ({"s3_secret_key": "no-such-secret"}, {"s3_access_key": "NOSUCHKEY"}):
        places = seaweed.places(bucket, **wrong)
        for error in every_call(s3_store_from_places(places)):
            assert isinstance(error, StoreRefused), error
            assert "SPOOL_S3_ACCESS_KEY" in error.hint
            assert places.s3_secret_key not in f"{error} {error.hint} {error.__cause__}"
            assert places.s3_access_key not in f"{error} {error.hint}"


def test_a_missing_bucket_is_refused_by_name(seaweed: Seaweed) -> None:
    for error in every_call(s3_store_from_places(seaweed.places("no-such-bucket"))):
        assert isinstance(error, StoreRefused), error
        assert "no-such-bucket" in str(error)
        assert "create the bucket" in error.hint
    assert "no-such-bucket" not in [line["Name"] for line in seaweed.client().list_buckets()["Buckets"]]


def test_nobody_at_the_endpoint_is_worth_another_try(seaweed: Seaweed) -> None:
    for error in every_call(s3_store_from_places(seaweed.places("b", s3_endpoint="http://127.0.0.1:9"))):
        assert isinstance(error, StoreUnavailable), error
        assert "SPOOL_S3_ENDPOINT" in error.hint


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9", "ftp://x", "http://", "http://key:secret@127.0.0.1:9"])
def test_an_endpoint_that_is_none_is_refused_without_showing_it(seaweed: Seaweed, endpoint: str) -> None:
    with pytest.raises(SettingsError, match="SPOOL_S3_ENDPOINT") as caught:
        s3_store_from_places(seaweed.places("b", s3_endpoint=endpoint))
    assert "secret" not in str(caught.value)


def test_no_credentials_at_all_are_said(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = s3_store_from_places(seaweed.places("b", s3_access_key="", s3_secret_key=""))
    with pytest.raises(StoreRefused, match="no S3 credentials"):
        store.get("r/a")


@pytest.mark.parametrize(
    ("status", "code", "expected", "text"),
    [
        (403, "AccessDenied", StoreRefused, "denies access"),
        (403, "RequestTimeTooSkewed", StoreRefused, "clock"),
        (400, "ExpiredToken", StoreRefused, "expired"),
        (301, "PermanentRedirect", StoreRefused, "elsewhere"),
        (501, "NotImplemented", StoreRefused, "conditional puts"),
        (418, "Teapot", StoreRefused, "418 Teapot"),
        (409, "ConditionalRequestConflict", StoreUnavailable, "409"),
        (429, "TooManyRequests", StoreUnavailable, "429"),
        (500, "InternalError", StoreUnavailable, "500"),
        (503, "SlowDown", StoreUnavailable, "503"),
        (412, "PreconditionFailed", ObjectExists, "r/a"),
    ],
)
def test_each_answer_of_the_store_has_one_meaning(
    store: S3Store, proxy: S3Proxy, status: int, code: str, expected: type[SpoolError], text: str
) -> None:
    proxy.faults.append(ProxyFault("PUT", "status", "", 1, status, code))
    with pytest.raises(expected, match=text):
        store.put_if_absent("r/a", b"", {})


def test_aws_answers_404_where_the_object_of_an_if_match_is_gone(store: S3Store, proxy: S3Proxy) -> None:
    proxy.faults.append(ProxyFault("PUT", "status", "", 1, 404, "NoSuchKey"))
    with pytest.raises(PreconditionFailed):
        store.put_if_match("r/a", b"", '"abc"')


def test_the_real_store_passes_the_probe_and_keeps_nothing_of_it(seaweed: Seaweed) -> None:
    store = seaweed.store()
    probe_store(store, ROOT)
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}, True),
        ({"Filter": {"Prefix": f"{ROOT}/"}, "Expiration": {"Days": 30}}, True),
        ({"Filter": {"Prefix": f"{ROOT}/events/"}, "Expiration": {"Days": 30}}, True),
        ({"Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}, False),
        ({"Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}, False),
    ],
)
def test_a_bucket_with_lifecycle_expiry_on_the_root_is_refused(
    seaweed: Seaweed, rule: dict[str, object], refused: bool
) -> None:
    bucket = seaweed.bucket()
    client = seaweed.client()
    rules = {"Rules": [{"ID": "one", "Status": "Enabled", **rule}]}
    try:
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
    except client.exceptions.ClientError as error:
        if refused:
            raise
        pytest.skip(f"this store has no such rule: {error}")
    store = S3Store(client, bucket)
    if refused:
        with pytest.raises(StoreRefused, match="expire"):
            probe_store(store, ROOT)
    else:
        probe_store(store, ROOT)


def test_the_clients_settings_bound_every_wait() -> None:
    config = client_config(path_style=True)
    # No socket waits without end; the call itself ends sooner, whatever its sockets do.
    assert 0 < config.connect_timeout < s3_store.CALL_S <= 10  # type: ignore[attr-defined]
    assert 0 < config.read_timeout <= 60  # type: ignore[attr-defined]
    assert config.retries == {"total_max_attempts": 1, "mode": "standard"}  # type: ignore[attr-defined]


def test_each_put_carries_the_sha256_of_its_body(store: S3Store, proxy: S3Proxy) -> None:
    body = b"what is stored is what was sent"
    store.put_if_absent("r/a", body, {})
    etag = store.put_if_match("r/b", body, None)
    store.put_if_match("r/b", body, etag)
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    puts = [headers for method, path, headers in proxy.requests if method == "PUT"]
    assert len(puts) == 3
    for headers in puts:
        assert {name.lower(): value for name, value in headers.items()}["x-amz-checksum-sha256"] == digest


READS = {
    "get": lambda store: store.get("r/a").body,
    "metadata": lambda store: store.metadata("r/a"),
    "get_tail": lambda store: store.get_tail("r/a", 3),
    "list": lambda store: [line.key for line in store.list("r/")],
    "folders": lambda store: list(store.folders("")),
    "expiring_prefixes": lambda store: store.expiring_prefixes(),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_survives_what_passes_and_names_what_does_not(name: str, store: S3Store, proxy: S3Proxy) -> None:
    store.put_if_absent("r/a", b"abcdef", {"x": "y"})
    read = READS[name]
    expected = read(store)
    method = "HEAD" if name == "metadata" else "GET"
    for status, code in ((503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")):
        proxy.faults.append(ProxyFault(method, "status", "", s3_store.READ_TRIES - 1, status, code))
        assert read(store) == expected
        assert proxy.faults == []
        proxy.faults.append(ProxyFault(method, "status", "", s3_store.READ_TRIES, status, code))
        with pytest.raises(StoreUnavailable, match=str(status)):
            read(store)


@pytest.mark.parametrize("name", [name for name in READS if name != "expiring_prefixes"])
def test_a_page_of_a_proxy_is_no_answer(name: str, store: S3Store, proxy: S3Proxy) -> None:
    store.put_if_absent("r/a", b"abcdef", {"x": "y"})
    proxy.faults.append(ProxyFault("*", "page", "", s3_store.READ_TRIES))
    with pytest.raises(StoreUnavailable) as caught:
        READS[name](store)
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["swallow", "page"])
def test_a_put_that_was_only_answered_leaves_everything_here(
    kind: str, tmp_path: Path, store: S3Store, proxy: S3Proxy
) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 2)
    proxy.faults.append(ProxyFault("PUT", kind, ".seg", times=3))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            host.ship()
        assert host.files() == ["000000000000.sealed", "000000000001.sealed", "000000000002.open"]
    host.ship()
    assert values(store) == numbered("a", 2)


def test_a_part_with_the_checksum_of_the_whole_is_readable(store: S3Store, proxy: S3Proxy) -> None:
    store.put_if_absent("r/a", bytes(200_000) + b"end", {})
    proxy.faults.append(ProxyFault("GET", "whole_sum", "r/a"))
    assert store.get_tail("r/a", 3) == b"end"
    assert proxy.faults == []


def test_an_object_with_a_wrong_checksum_is_read_again_and_then_left_to_its_reader(
    store: S3Store, proxy: S3Proxy
) -> None:
    store.put_if_absent("r/a", b"abc", {})
    proxy.faults.append(ProxyFault("GET", "whole_sum", "r/a", times=100))
    assert store.get("r/a").body == b"abc"
    assert proxy.faults[0].times == 100 - s3_store.READ_TRIES


def test_a_large_object_passes_a_slow_link(seaweed: Seaweed, proxy: S3Proxy) -> None:
    proxy.faults.clear()
    # The same relation of size, speed and limit as 6 MB over 400 kB/s within 10 s.
    store = S3Store(seaweed.client(proxy.endpoint), seaweed.bucket(), call_s=0.5)
    body = os.urandom(600_000)
    store.put_if_absent("r/small", b"", {})
    proxy.bytes_per_s = 2 * SLOWEST_BYTES_PER_S
    try:
        store.put_if_absent("r/a", body, {})
        assert store.get("r/a").body == body
        assert store.get_tail("r/a", 500_000) == body[-500_000:]
    finally:
        proxy.bytes_per_s = 0
