"""A connection's settings reach the client that sends, under its names; none is dropped in silence."""

from __future__ import annotations

import ssl

import pytest

from spool.errors import SettingsError
from spool.kafka.client_settings import aiokafka_settings

PLAIN = {"bootstrap.servers": "b:1"}


def test_known_settings_are_mapped():
    settings = aiokafka_settings(
        PLAIN
        | {"security.protocol": "sasl_plaintext", "sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "u"}
        | {"sasl.password": "p", "client.id": "spool", "metadata.max.age.ms": "60000"}
    )
    assert settings == {
        "bootstrap_servers": "b:1", "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u", "sasl_plain_password": "p", "client_id": "spool", "metadata_max_age_ms": 60000,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["ssl.cipher.suites", "ssl.keystore.location", "ssl.crl.location", "sasl.oauthbearer.config", "bootstrp"]
)
def test_a_setting_that_the_sender_cannot_honour_is_refused_by_name(name):
    with pytest.raises(SettingsError, match=name):
        aiokafka_settings(PLAIN | {name: "x"})


def test_a_setting_that_tunes_the_reader_only_is_left_to_it():
    assert aiokafka_settings(PLAIN | {"socket.timeout.ms": "5000"}) == {"bootstrap_servers": "b:1"}


def test_the_host_name_of_a_broker_is_checked_unless_that_is_switched_off():
    tls = PLAIN | {"security.protocol": "SSL"}
    assert aiokafka_settings(tls)["ssl_context"].check_hostname
    assert not aiokafka_settings(tls | {"ssl.endpoint.identification.algorithm": "none"})["ssl_context"].check_hostname


def test_verification_of_certificates_can_be_switched_off_as_in_the_other_client():
    context = aiokafka_settings(PLAIN | {"security.protocol": "SSL", "enable.ssl.certificate.verification": "false"})[
        "ssl_context"
    ]
    assert context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("name", "value"),
    [("ssl.ca.location", "/no/such/file"), ("ssl.ca.pem", "no certificate"), ("metadata.max.age.ms", "soon")],
)
def test_a_value_that_cannot_be_used_is_an_error_of_the_settings(name, value):
    with pytest.raises(SettingsError):
        aiokafka_settings(PLAIN | {"security.protocol": "SSL", name: value})
