"""Hosts from YAML; what could be an option or a command is refused at load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from include.measurements.collect import config
from spool.errors import SettingsError

GOOD = {
    "host": "collector.example.org",
    "user": "ooni",
    "port": 2222,
    "key": "/etc/keys/north",
    "known_hosts": "/etc/keys/known_hosts",
    "directories": ["collector/archive", "bouncer-nkvphnp3p6agi5qq/archive"],
}


def load(tmp_path: Path, block: object, environment: dict[str, str] | None = None) -> Any:
    file = tmp_path / "collectors.yml"
    file.write_text(yaml.safe_dump({"version": 1, "collectors": {"north": block}}))
    collector = config.load(file, environment or {})["north"]
    assert collector.id == "north"
    return collector.source


def test_a_block_becomes_a_frozen_collector(tmp_path: Path) -> None:
    collector = load(tmp_path, GOOD)
    assert collector.directories == ("collector/archive", "bouncer-nkvphnp3p6agi5qq/archive")
    assert (collector.transport, collector.port, collector.forget_after_days) == ("rsync", 2222, 7.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host", "-oProxyCommand=touch PWNED"),
        ("host", "x; touch PWNED"),
        ("host", "$(touch PWNED)"),
        ("host", "a b"),
        ("host", ""),
        ("host", "a\nb"),
        ("host", "h" * 300),
        ("user", "-l"),
        ("user", "root -e x"),
        ("user", "a@b"),
        ("port", 0),
        ("port", 65536),
        ("port", "22 -e x"),
        ("port", True),
        ("key", "relative/key"),
        ("key", "/keys/a b"),
        ("key", "-i"),
        ("key", "/keys/../../etc/shadow"),
        ("known_hosts", "/k'x"),
        ("directories", []),
        ("directories", "archive"),
        ("directories", ["-e.touch PWNED"]),
        ("directories", ["../archive"]),
        ("directories", ["/archive"]),
        ("directories", ["archive", "a b"]),
        ("directories", ["archive;x"]),
        ("directories", ["outgoing/b1"]),
        ("directories", [7]),
        ("transport", "ftp"),
        ("quiet_s", -1),
        ("forget_after_days", "soon"),
        ("timeout_s", 0),
        ("folder", "/x"),
        ("rsync_options", "-v"),
    ],
)
def test_what_could_be_an_option_or_a_second_word_is_refused_naming_file_and_key(
    tmp_path: Path, key: str, value: object
) -> None:
    with pytest.raises(SettingsError, match=rf"collectors\.yml: collectors\.north\.{key}(\.\d+)?: ") as refused:
        load(tmp_path, {**GOOD, key: value})
    assert refused.value.hint


@pytest.mark.parametrize("name", ["-e", "North", "a/b", "..", "a b", ""])
def test_an_id_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "collectors.yml"
    file.write_text(yaml.safe_dump({"version": 1, "collectors": {name: GOOD}}))
    with pytest.raises(SettingsError, match="lower-case letters"):
        config.load(file)


def test_variables_are_replaced_before_values_are_checked(tmp_path: Path) -> None:
    block = {**GOOD, "port": "${NORTH_PORT:-22}", "key": "${KEYS}/north"}
    assert load(tmp_path, block, {"KEYS": "/k"}).port == 22
    assert load(tmp_path, block, {"KEYS": "/k", "NORTH_PORT": "2022"}).key == Path("/k/north")
    with pytest.raises(SettingsError, match=r"north\.key: the variable KEYS is not set"):
        load(tmp_path, block)
    with pytest.raises(SettingsError, match=r"north\.key: must be an absolute path"):
        load(tmp_path, block, {"KEYS": "-oProxyCommand=x"})


@pytest.mark.parametrize(
    "text", ["", "version: 2", "[]", "version: 1\nhosts: {}", "version: 1\ncollectors: [", "version: 1\ncollectors: []"]
)
def test_a_file_that_is_no_list_of_collectors_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yml").write_text(text)
    if text.endswith("[]") and "collectors" in text:
        assert config.load(tmp_path / "c.yml") == {}
        return
    with pytest.raises(SettingsError, match=r"c\.yml"):
        config.load(tmp_path / "c.yml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        config.load(tmp_path / "none.yml")


def test_the_file_of_the_repository_is_valid() -> None:
    environment = {"SPILLWAY_COLLECTOR_FOLDER": "/k", "COLLECTOR_USER": "me"}
    assert config.load(environment=environment).keys() >= {"collector_a", "collector_b"}


def test_an_ipv6_address_is_a_host(tmp_path: Path) -> None:
    assert load(tmp_path, {**GOOD, "host": "2001:db8::1"}).host == "2001:db8::1"


def test_a_drop_folder_needs_only_its_folder(tmp_path: Path) -> None:
    assert load(tmp_path, {"transport": "drop_folder", "folder": "/srv/drop"}).folder == Path("/srv/drop")
