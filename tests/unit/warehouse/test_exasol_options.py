"""What becomes of the options of an Exasol connection, and which are refused."""

from __future__ import annotations

import ssl

import pytest

from include.warehouse.target.exasol_options import driver_options, of_uri
from spool.errors import SettingsError

FINGERPRINT = "AB" * 32


def options(**extra: object) -> dict[str, object]:
    return driver_options("exa.example", 8563, "spillway", "s3cret", extra)


def test_without_options_the_servers_certificate_is_checked_by_the_driver() -> None:
    assert options() == {"dsn": "exa.example:8563", "user": "spillway", "password": "s3cret"}


def test_a_fingerprint_becomes_part_of_the_address_however_it_is_written() -> None:
    written = ":".join(["ab"] * 32)
    assert (
        options(fingerprint=FINGERPRINT)["dsn"]
        == options(fingerprint=written)["dsn"]
        == (f"exa.example/{FINGERPRINT}:8563")
    )


def test_an_authority_of_ones_own_is_demanded_and_no_check_at_all_is_asked_for_by_name() -> None:
    assert options(ssl_ca="/etc/exa.pem")["websocket_sslopt"] == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": "/etc/exa.pem",
    }
    assert options(ssl_verify="false")["dsn"] == "exa.example/nocertcheck:8563"
    assert options(ssl_verify=True)["dsn"] == "exa.example:8563"


def test_switches_and_times_are_the_drivers_whether_text_or_not() -> None:
    given = options(compression="true", encryption=False, socket_timeout_s="90", query_timeout_s=5, json_lib="json")
    assert given["compression"] is True
    assert given["encryption"] is False
    assert (given["socket_timeout"], given["query_timeout"], given["json_lib"]) == (90, 5, "json")


def test_a_url_says_the_same_with_its_parts_decoded() -> None:
    given = of_uri(f"exasol://a%40b:p%2Fw@exa.example/?fingerprint={FINGERPRINT}&compression=1")
    assert given == {
        "dsn": f"exa.example/{FINGERPRINT}:8563",
        "user": "a@b",
        "password": "p/w",
        "compression": True,
    }


@pytest.mark.parametrize(
    "extra",
    [
        {"websocket_sslopt": "{}"},
        {"fingerprint": "AB"},
        {"fingerprint": "s3cret" * 8},
        {"fingerprint": FINGERPRINT, "ssl_verify": False},
        {"ssl_ca": "/x", "encryption": False},
        {"compression": "perhaps"},
        {"socket_timeout_s": "-1"},
    ],
)
def test_an_option_that_is_unknown_or_wrong_or_excluded_is_an_error(extra: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as raised:
        options(**extra)
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    "uri", ["mysql://u:s3cret@h/", "exasol://", "exasol://u:s3cret@h:x/", "exasol://h:8563", "s3cret"]
)
def test_what_is_no_url_of_an_exasol_is_an_error_that_repeats_nothing(uri: str) -> None:
    with pytest.raises(SettingsError) as raised:
        of_uri(uri)
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"
