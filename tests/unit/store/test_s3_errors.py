"""What goes wrong before the store answers: which settings are to blame, and what passes by itself."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto

from spool.errors import StoreRefused, StoreUnavailable
from spool.store.s3_errors import NotAnAnswer, explain

URL = "https://store:9000/bucket"

WRONG_SETTINGS = [
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
    "certificate verify failed: Hostname mismatch, hostname 'store' doesn't match 'other'",
    "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
    "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca",
    "[Errno 2] No such file or directory",
]
PASSING = [
    "EOF occurred in violation of protocol (_ssl.c:1006)",
    "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol",
    "The handshake operation timed out",
    "[Errno 104] Connection reset by peer",
]


@pytest.mark.parametrize("text", WRONG_SETTINGS)
def test_tls_settings_that_will_fail_again_are_refused_with_what_to_check(text: str) -> None:
    error = explain(boto.SSLError(endpoint_url=URL, error=Exception(text)), "s3://b/k")
    assert isinstance(error, StoreRefused)
    assert "AWS_CA_BUNDLE" in error.hint


@pytest.mark.parametrize("text", PASSING)
def test_a_tls_connection_that_breaks_is_worth_another_try(text: str) -> None:
    assert isinstance(explain(boto.SSLError(endpoint_url=URL, error=Exception(text)), "s3://b/k"), StoreUnavailable)


def test_a_ca_bundle_that_is_not_there_is_refused() -> None:
    missing = OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /no/such/ca.pem")
    assert isinstance(explain(missing, "s3://b/k"), StoreRefused)
    assert isinstance(explain(boto.HTTPClientError(error=missing), "s3://b/k"), StoreRefused)


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"])
def test_expired_credentials_are_refused(code: str) -> None:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    error = explain(boto.ClientError(answer, "PutObject"), "s3://b/k")  # type: ignore[arg-type]
    assert isinstance(error, StoreRefused)
    assert "expired" in str(error)


@pytest.mark.parametrize("code", ["QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"])
def test_a_full_bucket_says_what_to_do(code: str) -> None:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 507}}
    error = explain(boto.ClientError(answer, "PutObject"), "s3://b/k")  # type: ignore[arg-type]
    assert isinstance(error, StoreRefused)
    assert "quota" in error.hint


@pytest.mark.parametrize("error", [KeyError("ETag"), NotAnAnswer("no list of objects")])
def test_an_answer_that_is_none_of_s3_is_no_answer(error: Exception) -> None:
    explained = explain(error, "s3://b/k")
    assert isinstance(explained, StoreUnavailable)
    assert "proxy" in explained.hint
