"""Login in two steps: the server's public key, then the password encrypted with it; and a session's attributes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.exasol.errors import ExasolError

ATTRIBUTES: Mapping[str, object] = {
    "autocommit": True, "compressionEnabled": False, "currentSchema": "", "dateFormat": "YYYY-MM-DD",
    "datetimeFormat": "YYYY-MM-DD HH24:MI:SS.FF6", "dateLanguage": "ENG", "numericCharacters": ".,",
    "queryTimeout": 0, "timezone": "UTC", "timeZoneBehavior": "INVALID SHIFT AMBIGUOUS ST",
    "snapshotTransactionsEnabled": False, "timestampUtcEnabled": False, "feedbackInterval": 1,
    "resultSetMaxRows": 0, "defaultLikeEscapeCharacter": "\\", "openTransaction": 0,
}  # fmt: skip


class Account(NamedTuple):
    user: str
    password: str


def public_key(key: rsa.RSAPrivateKey) -> dict[str, object]:
    """The answer to the first step."""
    public = key.public_key()
    numbers = public.public_numbers()
    encoded = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    return {
        "publicKeyPem": encoded.decode(),
        "publicKeyModulus": f"{numbers.n:X}",
        "publicKeyExponent": f"{numbers.e:06X}",
    }


def authenticate(key: rsa.RSAPrivateKey, account: Account, request: Mapping[str, Any]) -> None:
    """ExasolError unless the second step has the account's name and password."""
    try:
        password = key.decrypt(base64.b64decode(request["password"]), padding.PKCS1v15()).decode()
    except (KeyError, ValueError):
        password = ""
    if (str(request.get("username", "")).upper(), password) != (account.user.upper(), account.password):
        raise ExasolError("08004", "Connection exception - authentication failed.")


def welcome(session_id: int, release: str, protocol: int) -> dict[str, object]:
    """The answer to the second step."""
    return {
        "sessionId": session_id, "protocolVersion": protocol, "releaseVersion": release, "databaseName": "TEST",
        "productName": "EXASolution", "maxDataMessageSize": 67_108_864, "maxIdentifierLength": 128,
        "maxVarcharLength": 2_000_000, "identifierQuoteString": '"', "timeZone": ATTRIBUTES["timezone"],
        "timeZoneBehavior": ATTRIBUTES["timeZoneBehavior"],
    }  # fmt: skip
