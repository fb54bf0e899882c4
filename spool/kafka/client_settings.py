"""
The settings of a connection, which carry librdkafka's names, as aiokafka's arguments.

Both clients get the same connection. A setting that aiokafka has under another name is mapped; one that only tunes
librdkafka is left to it, and is listed here; any other is refused by name, because a client that drops a setting of
TLS or SASL in silence connects in another way than its operator asked for.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from spool.errors import SettingsError

_TEXT = {
    "bootstrap.servers": "bootstrap_servers",
    "metadata.broker.list": "bootstrap_servers",
    "client.id": "client_id",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "sasl.kerberos.service.name": "sasl_kerberos_service_name",
}
_NUMBERS = {
    "metadata.max.age.ms": "metadata_max_age_ms",
    "topic.metadata.refresh.interval.ms": "metadata_max_age_ms",
    "connections.max.idle.ms": "connections_max_idle_ms",
}
_TLS = {
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
}
# What tunes librdkafka's own consumers and admin calls, or this program sets for aiokafka itself.
_OF_LIBRDKAFKA = {
    "log_level",
    "debug",
    "group.id",
    "socket.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "request.timeout.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "retry.backoff.ms",
    "api.version.request",
    "broker.address.ttl",
    "broker.address.family",
    "client.dns.lookup",
    "auto.offset.reset",
    "enable.auto.commit",
    "session.timeout.ms",
    "statistics.interval.ms",
}


def aiokafka_settings(kafka: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of AIOKafkaProducer. SettingsError names one that it cannot honour, or a bad value."""
    settings: dict[str, Any] = {}
    for name, value in kafka.items():
        if name in _TEXT:
            settings[_TEXT[name]] = value
        elif name in _NUMBERS:
            settings[_NUMBERS[name]] = _parsed(name, value, int)
        elif name not in _TLS and name not in _OF_LIBRDKAFKA:
            raise SettingsError(
                f"the Kafka setting {name} has no counterpart in the client that sends",
                hint="remove it from the connection's extra, or use one of: "
                + ", ".join(sorted({*_TEXT, *_NUMBERS, *_TLS})),
            )
    for name in ("security_protocol", "sasl_mechanism"):
        if name in settings:
            settings[name] = settings[name].upper()
    if "SSL" in settings.get("security_protocol", ""):
        settings["ssl_context"] = _ssl_context(kafka)
    return settings


def _ssl_context(kafka: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"), cadata=kafka.get("ssl.ca.pem"))
        if certificate := kafka.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, kafka.get("ssl.key.location"), kafka.get("ssl.key.password"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the TLS files of the Kafka connection cannot be used: {error}",
            hint="check ssl.ca.location, ssl.certificate.location, ssl.key.location and ssl.key.password",
        ) from error
    # librdkafka's own names and defaults: the host name is checked unless this says `none`.
    context.check_hostname = kafka.get("ssl.endpoint.identification.algorithm", "https").lower() != "none"
    if not _parsed(
        "enable.ssl.certificate.verification", kafka.get("enable.ssl.certificate.verification", "true"), _flag
    ):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _parsed(name: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except (ValueError, KeyError):
        raise SettingsError(
            f"the Kafka setting {name} has the value {value!r}", hint="correct the connection"
        ) from None
