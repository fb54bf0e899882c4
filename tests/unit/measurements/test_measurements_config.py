from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from include.measurements import config
from spool.errors import SettingsError

GOOD = {"version": 1, "control_country": "NL", "control_window_h": 24, "bridge_days": 90, "mirror_title": "Mirror"}


def load(tmp_path: Path, **changes: object) -> config.MeasurementSettings:
    file = tmp_path / "measurements.yml"
    file.write_text(yaml.safe_dump({key: value for key, value in {**GOOD, **changes}.items() if value != "absent"}))
    return config.load(file)


def test_the_file_of_the_repository_is_valid() -> None:
    assert config.load().control_country == "NL"


def test_the_window_is_in_hours(tmp_path: Path) -> None:
    assert load(tmp_path, control_window_h=1.5).control_window == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2), ("control_country", "nl"), ("control_country", None), ("control_window_h", 0),
        ("control_window_h", True), ("bridge_days", "x"), ("mirror_title", " "), ("mirror_title", "absent"),
        ("unknown", 1),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"measurements\.yml: {key}: "):
        load(tmp_path, **{key: value})
