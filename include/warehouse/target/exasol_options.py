"""
Options of Exasol's driver from a connection: of Airflow, or of a variable `exasol://user:password@host:8563/?option=...`.

    fingerprint          SHA-256 of the server's certificate in hexadecimal digits; then nothing else of it is checked
    ssl_ca               file of certificates that the server's must be signed by, in place of the system's
    ssl_verify           false: any certificate will do. For tests; a fingerprint is as easy
    encryption           false: no TLS at all
    compression          true: less traffic and five times the CPU time; for slow networks only
    connection_timeout_s, socket_timeout_s, query_timeout_s
    schema, client_name, json_lib    as the driver has them
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from spool.errors import SettingsError

# The driver reports each connection to its maker unless this is set.
os.environ.setdefault("EXASOL_TELEMETRY_DISABLE", "1")

# What the target demands of a connection: names of tables are quoted, and it names every schema.
DRIVER_OPTIONS: Mapping[str, Any] = {"quote_ident": True, "client_name": "spillway", "schema": ""}
# Unless the connection has another time: a load may be silent for as long as the source is, which reads sums first.
SOCKET_TIMEOUT_S = 6 * 3600
DEFAULT_PORT = 8563
URI_FORM = "exasol://user:password@host:8563/?fingerprint=..."
_HINT = "docs/reference/connections.md lists the options of an Exasol connection"
_SECONDS = {name: name.removesuffix("_s") for name in ("connection_timeout_s", "socket_timeout_s", "query_timeout_s")}
_AS_THEY_ARE = ("schema", "client_name", "json_lib")
_WORDS = {"true": True, "1": True, "false": False, "0": False}
KNOWN = frozenset(
    {"fingerprint", "ssl_ca", "ssl_verify", "encryption", "compression", *_SECONDS, *_AS_THEY_ARE, "sqlalchemy_scheme"}
)


def driver_options(
    host: str, port: int | None, user: str, password: str, extra: Mapping[str, object]
) -> dict[str, Any]:
    """Arguments of `pyexasol.connect`. SettingsError names an option that is unknown or wrong, never a value."""
    if unknown := sorted(set(extra) - KNOWN):
        raise SettingsError(f"unknown options of an Exasol connection: {', '.join(unknown)}", hint=_HINT)
    if not host or not user:
        raise SettingsError("an Exasol connection needs a host and a login", hint=_HINT)
    options: dict[str, Any] = {"user": user, "password": password}
    options |= {name: str(extra[name]) for name in _AS_THEY_ARE if extra.get(name)}
    options |= {driver: _seconds(name, extra[name]) for name, driver in _SECONDS.items() if name in extra}
    options |= {name: _switch(name, extra[name]) for name in ("encryption", "compression") if name in extra}
    return options | _checked(host, port or DEFAULT_PORT, extra, encryption=options.get("encryption", True))


def of_uri(uri: str) -> dict[str, Any]:
    """The same of a URL; SettingsError for what is none."""
    parts = urlsplit(uri)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme != "exasol" or not parts.hostname or port == 0:
        # The text itself may hold a password.
        raise SettingsError("not the URL of an Exasol", hint=URI_FORM)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return driver_options(parts.hostname, port, user, password, dict(parse_qsl(parts.query)))


def _checked(host: str, port: int, extra: Mapping[str, object], *, encryption: bool) -> dict[str, Any]:
    """Address and how the server proves who it is: by one way, which is the system's certificates by default."""
    ways = [name for name in ("fingerprint", "ssl_ca", "ssl_verify") if name in extra]
    if len(ways) > 1 or (ways and not encryption):
        raise SettingsError(f"these options of an Exasol connection exclude each other: {', '.join(ways)}", hint=_HINT)
    if "fingerprint" in extra:
        return {"dsn": f"{host}/{_fingerprint(extra['fingerprint'])}:{port}"}
    if "ssl_ca" in extra:
        authority = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": str(extra["ssl_ca"])}
        return {"dsn": f"{host}:{port}", "websocket_sslopt": authority}
    if "ssl_verify" in extra and not _switch("ssl_verify", extra["ssl_verify"]):
        return {"dsn": f"{host}/nocertcheck:{port}"}
    return {"dsn": f"{host}:{port}"}


def _fingerprint(value: object) -> str:
    digits = str(value).replace(":", "").upper()
    if len(digits) != 64 or set(digits) - set("0123456789ABCDEF"):
        raise SettingsError("fingerprint is not 64 hexadecimal digits", hint=_HINT)
    return digits


def _switch(name: str, value: object) -> bool:
    answer = _WORDS.get(str(value).lower())
    if answer is None:
        raise SettingsError(f"{name} is neither true nor false", hint=_HINT)
    return answer


def _seconds(name: str, value: object) -> int:
    if not str(value).isdecimal():
        raise SettingsError(f"{name} is not a number of seconds", hint=_HINT)
    return int(str(value))
