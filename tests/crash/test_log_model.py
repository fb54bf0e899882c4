"""
A model of the log: any sequence of appends, seals, kills, full disks, failed fsyncs, power losses and shipping.

The model is what was promised: a position for each accepted event. At every end the log is opened again, written again
and read back, and must hold exactly that, and of what was not answered at most one copy.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from spool import clock
from tests.fakes.powered_host import PoweredHost, boot
from tests.fakes.simulated_disk import Killed, Mode

pytestmark = pytest.mark.crash

MODES: tuple[Mode, ...] = ("nothing", "everything", "newest", "older", "random")


class LogModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
        self._boot_id_file = clock.BOOT_ID_FILE
        clock.BOOT_ID_FILE = self._folder / "boot_id"
        boot()
        self.host = PoweredHost(self._folder / "host")
        self.number = 0
        self.torn = False

    def teardown(self) -> None:
        try:
            self.host.disk.room_bytes = None
            self.host.lose_power("everything")
            self.host.check(torn=self.torn)
        finally:
            self.host.die()
            shutil.rmtree(self._folder)
            clock.BOOT_ID_FILE = self._boot_id_file

    def texts(self, count: int, size: int) -> list[str]:
        self.number += count
        return [f"{self.number - place}-{'x' * size}" for place in range(count)]

    @rule(count=st.integers(1, 4), size=st.sampled_from([1, 600]), group=st.booleans())
    def append(self, count: int, size: int, group: bool) -> None:
        self.host.append(*self.texts(count, size), group=group)

    @rule(producer=st.sampled_from(["client", "outbox/here"]), count=st.integers(1, 3))
    def send(self, producer: str, count: int) -> None:
        self.host.send(producer, count)

    @precondition(lambda self: self.host.units)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self.host.send_again(data.draw(st.sampled_from(sorted(self.host.units))))

    @rule(changes=st.integers(0, 12))
    def kill_a_sender(self, changes: int) -> None:
        self.host.disk.kill_at = self.host.disk.changes + changes
        try:
            self.host.send("client")
        except Killed:
            self.host.die()
        self.host.disk.kill_at = None

    @rule()
    def seal(self) -> None:
        self.host.seal()

    @rule()
    def ship(self) -> None:
        self.host.ship_oldest()

    @rule()
    def another_process_goes_on(self) -> None:
        self.host.die()

    @rule(changes=st.integers(0, 8), seal=st.booleans(), size=st.sampled_from([1, 600]))
    def kill(self, changes: int, seal: bool, size: int) -> None:
        self.host.disk.kill_at = self.host.disk.changes + changes
        try:
            self.host.seal() if seal else self.host.append(*self.texts(2, size))
        except Killed:
            self.host.die()
        self.host.disk.kill_at = None

    @rule(mode=st.sampled_from(MODES), seed=st.integers(0, 2**16))
    def lose_power(self, mode: Mode, seed: int) -> None:
        self.torn |= mode in ("newest", "older", "random")
        self.host.lose_power(mode, seed)

    @rule(operation=st.sampled_from(["sync_data", "write_at", "truncate", "rename"]), at_call=st.integers(1, 3))
    def fault(self, operation: str, at_call: int) -> None:
        self.host.disk.fail_at(operation, errno.EIO, at_call=at_call)

    @precondition(lambda self: self.host.disk.room_bytes is None)
    @rule(room=st.integers(0, 800))
    def fill_the_disk(self, room: int) -> None:
        self.host.disk.room_bytes = room

    @precondition(lambda self: self.host.disk.room_bytes is not None)
    @rule()
    def make_room(self) -> None:
        self.host.disk.room_bytes = None


LogModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLogModel = LogModel.TestCase
