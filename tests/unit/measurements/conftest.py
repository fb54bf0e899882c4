from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.measurement_state import MeasurementState


@pytest.fixture
def state(tmp_path: Path) -> Iterator[MeasurementState]:
    made = MeasurementState(tmp_path / "state")
    yield made
    made.ledger.close()
