"""Every form in which an address or a fingerprint is found, and near misses that are left alone."""

import base64
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.measurements.sanitize.secret_forms import REDACTED, Secrets

FINGERPRINT = "3F786850E387550FDAB836ED7E6DC881DE23001B"
SECRETS = Secrets([ipaddress.ip_address("1.2.3.4"), ipaddress.ip_address("2001:db8::7")], [FINGERPRINT.lower()])


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4",
        "1.2.3.4:8980",
        "001.002.003.004",
        "1[.]2[.]3[.]4",
        "1%2E2%2e3%2E4%3A443",
        "1-2-3-4",
        "1_2_3_4",
        "4.3.2.1.in-addr.arpa",
        "::ffff:102:304",
        "::FFFF:0102:0304",
        "64:ff9b::102:304",
        "2002:102:304::",
        "2001:db8::7",
        "2001:0DB8:0000:0000:0000:0000:0000:0007",
        "[2001:db8::7]:443",
        "2001%3Adb8%3A%3A7",
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        FINGERPRINT,
        FINGERPRINT.lower(),
        f"${FINGERPRINT}",
        f"${FINGERPRINT}~nick",
        f"{FINGERPRINT.lower()}=Nick1",
        " ".join(FINGERPRINT[i : i + 4] for i in range(0, 40, 4)),
        ":".join(FINGERPRINT[i : i + 2] for i in range(0, 40, 2)),
        base64.b64encode(bytes.fromhex(FINGERPRINT)).decode().rstrip("="),
    ],
)
@pytest.mark.parametrize("around", ["{}", "see {}, now", "x={}&y", '"{}"', "\n{}\n", "http://{}/"])
def test_a_form_is_found_whole_wherever_it_stands(text: str, around: str) -> None:
    assert SECRETS.redact(around.format(text)) == around.format(REDACTED)


def test_a_fingerprint_is_found_within_a_longer_run_of_digits() -> None:
    assert SECRETS.redact("00" + FINGERPRINT + "aa") == f"00{REDACTED}aa"


def test_an_address_is_found_in_a_longer_dotted_number() -> None:
    assert SECRETS.redact("9.1.2.3.4.5") == f"9.{REDACTED}.5"


def test_an_address_with_its_port_unbracketed_is_found() -> None:
    assert "db8" not in SECRETS.redact("2001:db8::7:443")


@pytest.mark.parametrize(
    "text",
    ["11.2.3.4", "1.2.3.45", "1.2.3", "12:34:56", "2001:db8::71", "00:11:22:33:44:55", FINGERPRINT[:39], "::", ""],
)
def test_a_near_miss_is_left_alone(text: str) -> None:
    assert SECRETS.redact(text) is text


def test_without_secrets_nothing_is_found() -> None:
    assert not Secrets((), ()).found_in(f"1.2.3.4 {FINGERPRINT} ::1")


@given(text=st.text(alphabet="0123456789abcdefABCDEF.:%[]-$~ \n", max_size=200))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = SECRETS.redact(text)
    assert SECRETS.redact(once) == once
    assert not SECRETS.found_in(once)


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_neighbours_hide_a_fingerprint(before: str, after: str) -> None:
    assert FINGERPRINT not in SECRETS.redact(before + FINGERPRINT + after)


@pytest.mark.parametrize("text", [":" * 10_000, "1:" * 10_000, "1." * 20_000, "ab" * 20_000, "%3a" * 10_000])
def test_long_runs_take_time_in_proportion(text: str) -> None:
    SECRETS.redact(text)


def test_more_secrets_are_found_beside_the_first() -> None:
    more = SECRETS.with_more(Secrets([ipaddress.ip_address("9.8.7.6")], ["AF9F66B7B04F8FF6F32D455F05135250A16543C9"]))
    assert more.redact(f"9.8.7.6 1.2.3.4 {'af9f66b7b04f8ff6f32d455f05135250a16543c9'}") == " ".join([REDACTED] * 3)
    assert not SECRETS.found_in("9.8.7.6")
