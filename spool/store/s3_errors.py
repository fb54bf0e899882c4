"""
What an answer of S3, or the lack of one, means to the engine.

    the store will never do it   StoreRefused      credentials, bucket, permission, clock, a request it does not know
    try again                    StoreUnavailable  no connection, no answer in time, 409, 429, 5xx, damage on the way

Messages are our own: what a server or proxy sends back may repeat the request's headers.
"""

from __future__ import annotations

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from spool.errors import SpoolError, StoreRefused, StoreUnavailable

_CREDENTIALS_HINT = "check the access key and the secret key (SPOOL_S3_ACCESS_KEY, SPOOL_S3_SECRET_KEY)"
BUCKET_HINT = "create the bucket, or correct SPOOL_S3_BUCKET"
_ENDPOINT_HINT = "check the endpoint (SPOOL_S3_ENDPOINT) and that the store runs; `make status` shows the local one"
_QUOTA_HINT = "make room in the bucket or raise its quota; nothing is lost, the spool folder fills meanwhile"
_PROXY_HINT = "is it the store that answers at SPOOL_S3_ENDPOINT, or a proxy or a sign-in page before it?"
_AGAIN_HINT = "nothing to do if it passes; look at the store if it continues"

# Answers that no repetition changes: code -> what it means, what to do.
_REFUSALS = {
    "InvalidAccessKeyId": ("does not know these credentials", _CREDENTIALS_HINT),
    "SignatureDoesNotMatch": ("does not accept these credentials", _CREDENTIALS_HINT),
    "AuthorizationHeaderMalformed": ("does not accept these credentials or this region", _CREDENTIALS_HINT),
    "InvalidToken": ("does not accept these credentials", _CREDENTIALS_HINT),
    "ExpiredTokenException": ("says that the credentials have expired", _CREDENTIALS_HINT),
    "RequestExpired": ("says that this host's clock is wrong, or the credentials have expired", "set the clock (NTP)"),
    "TokenRefreshRequired": ("says that the credentials have expired", _CREDENTIALS_HINT),
    "InvalidClientTokenId": ("does not know these credentials", _CREDENTIALS_HINT),
    "QuotaExceeded": ("has no room left for us", _QUOTA_HINT),
    "XMinioAdminBucketQuotaExceeded": ("has no room left for us", _QUOTA_HINT),
    "XMinioStorageFull": ("has no room left", _QUOTA_HINT),
    "EntityTooLarge": ("takes no object of this size", "lower seal_bytes of the stream, or raise the store's limit"),
    "ExpiredToken": ("says that the credentials have expired", _CREDENTIALS_HINT),
    "AccessDenied": ("denies access", f"{_CREDENTIALS_HINT} and what they are allowed to do with this bucket"),
    "AllAccessDisabled": ("denies access", "the bucket was disabled by its provider"),
    "NoSuchBucket": ("has no such bucket", BUCKET_HINT),
    "InvalidBucketName": ("has no such bucket", "correct SPOOL_S3_BUCKET"),
    "PermanentRedirect": ("holds this bucket elsewhere", "correct SPOOL_S3_REGION or SPOOL_S3_ENDPOINT"),
    "RequestTimeTooSkewed": ("says that this host's clock is wrong", "set the clock (NTP)"),
    "NotImplemented": ("does not know conditional puts", "the spool needs a store with If-None-Match and If-Match"),
}
# 4xx that say nothing about the request itself.
_AGAIN = {
    "ConditionalRequestConflict",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "BadDigest",
    "TooManyRequests",
}
_AGAIN |= {"XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "IncompleteBody"}
_AGAIN_STATUS = {408, 409, 425, 429}

_CREDENTIAL_ERRORS = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.ProfileNotFound,
    boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError,
)  # fmt: skip
_UNREACHABLE = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)
_TLS_HINT = (
    "check the store's certificate, the name in SPOOL_S3_ENDPOINT and the authorities trusted here (AWS_CA_BUNDLE), "
    "and whether the port speaks TLS at all (http:// or https://)"
)
# What OpenSSL and the file system say where the same settings will fail again. A connection that breaks is none of it.
_TLS_SETTINGS = (
    "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "UNKNOWN_CA", "NO_CERTIFICATE_OR_CRL_FOUND", "hostname",
    "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "HANDSHAKE_FAILURE", "No such file or directory",
    "CA certificate bundle", "PEM lib",
)  # fmt: skip


class NotAnAnswer(Exception):
    """An answer with status 200 that is none of S3: a page of a proxy, half a document. The text says what it lacks."""


def code_of(error: ClientError) -> str:
    """S3's name for the error; for a HEAD request only the status, such as `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def explain(error: Exception, where: str) -> SpoolError:
    """The SpoolError for what boto3 raised; `where` names endpoint, bucket and key."""
    if isinstance(error, ClientError):
        return _explain_answer(error, where)
    if isinstance(error, _CREDENTIAL_ERRORS):
        return StoreRefused(f"{where}: there are no S3 credentials", hint=_CREDENTIALS_HINT)
    if isinstance(error, BotoCoreError | OSError) and any(text in str(error) for text in _TLS_SETTINGS):
        return StoreRefused(f"{where}: no trusted TLS connection ({type(error).__name__})", hint=_TLS_HINT)
    if isinstance(error, _UNREACHABLE):
        return StoreUnavailable(f"{where}: cannot be reached ({type(error).__name__})", hint=_ENDPOINT_HINT)
    if isinstance(error, boto.ParamValidationError):
        return StoreRefused(f"{where}: no valid request ({error})", hint="correct SPOOL_S3_BUCKET")
    if isinstance(error, BotoCoreError):
        return StoreUnavailable(f"{where}: incomplete response ({type(error).__name__})", hint=_AGAIN_HINT)
    if not isinstance(error, OSError):
        reason = str(error) if isinstance(error, NotAnAnswer) else f"no {error}"
        return StoreUnavailable(f"{where}: the answer is none of S3 ({reason})", hint=_PROXY_HINT)
    # the socket's own errors
    return StoreUnavailable(f"{where}: the connection broke ({type(error).__name__})", hint=_AGAIN_HINT)


def _explain_answer(error: ClientError, where: str) -> SpoolError:
    code, status = code_of(error), status_of(error)
    if code in _REFUSALS:
        meaning, hint = _REFUSALS[code]
        return StoreRefused(f"{where}: the store {meaning} ({code})", hint=hint)
    if code in _AGAIN or status in _AGAIN_STATUS or status >= 500 or status == 0:
        return StoreUnavailable(f"{where}: the store answered {status} {code}", hint=_AGAIN_HINT)
    if status in (401, 403):
        return StoreRefused(f"{where}: the store denies access ({status})", hint=_CREDENTIALS_HINT)
    return StoreRefused(
        f"{where}: the store answered {status} {code}", hint="look up this answer in the store's manual"
    )
