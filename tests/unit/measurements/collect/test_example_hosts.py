"""A host of the local stack has the directories that config/collectors.yml names: one that is missing fails a sync."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.measurements.collect import config
from stack.services import sshd

START = Path(__file__).parents[4] / "stack" / "image" / "collector-start.sh"
SOURCES = [collector.source for collector in config.load(environment={}).values()]
NAMED = sorted({name for source in SOURCES if isinstance(source, config.SshHost) for name in source.directories})


@pytest.mark.parametrize("directory", NAMED)
def test_the_local_hosts_and_the_containers_have_it_from_their_start(directory: str) -> None:
    assert directory in sshd.DIRECTORIES
    assert f"/data/{directory}" in START.read_text(encoding="utf-8").split()
