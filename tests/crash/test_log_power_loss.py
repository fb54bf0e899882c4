"""
Power loss at every change of the disk, in every order the changes may have reached it.

Method: a scenario runs on a simulated disk that loses power (or whose process is killed) at its n-th change, for every
n; what was not synced is lost, kept, or reordered. Then the log is opened again, written again and read back: what was
promised is there, once, at its position.

The last test removes each sync call of the log in turn, by its place in the source, and demands that it is noticed.
"""

from __future__ import annotations

import ast
import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import spool.log
from spool import disk, durable_file
from tests.fakes.powered_host import PoweredHost
from tests.fakes.simulated_disk import Killed, Mode, PoweredOff, SimulatedDisk, Site
from tests.support.series import some

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("boots")]

Step = Callable[[PoweredHost], object]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """In memory where that is possible: thousands of small folders are made and removed."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder) / "host"


# Steps.


def append(*texts: str, outcome: str | None = None, group: bool = False) -> Step:
    def step(host: PoweredHost) -> None:
        assert host.append(*texts, group=group) in ((outcome,) if outcome else ("accepted", "refused", "unknown"))

    return step


def send(host: PoweredHost) -> None:
    host.send("client")


def send_again(host: PoweredHost) -> None:
    host.send_again("client")


def seal(host: PoweredHost) -> None:
    host.seal()


def reboot(host: PoweredHost) -> None:
    host.lose_power("everything")


def killed(step: Step, after_changes: int) -> Step:
    """The process dies in the middle of a step; the next step is another process's."""

    def dying(host: PoweredHost) -> None:
        host.disk.kill_at = host.disk.changes + after_changes
        try:
            step(host)
        except Killed:
            host.die()
        host.disk.kill_at = None

    return dying


def failing_sync(host: PoweredHost) -> None:
    host.disk.fail_at("sync_data", errno.EIO)


def full(host: PoweredHost) -> None:
    host.disk.room_bytes = 100


def room(host: PoweredHost) -> None:
    host.disk.room_bytes = None


def ship(host: PoweredHost) -> None:
    host.ship_oldest()


def look(host: PoweredHost) -> None:
    host.look()


SCENARIOS: dict[str, list[Step]] = {
    "begin": [append("a1", "a2"), append("g1", "g2", group=True), seal, append("b1")],
    "reboot": [append("a1"), reboot, append("b1"), seal, append("c1")],
    "torn commit": [append("a1"), killed(append("torn"), 0), reboot, append("b1"), append("c1")],
    "torn first commit": [append("a1"), seal, killed(append("torn"), 0), reboot, append("b1")],
    "torn header": [append("a1"), killed(seal, 4), reboot, append("b1"), append("c1")],
    "fsync fails": [append("a1"), failing_sync, append("doubtful"), append("b1"), seal, append("c1")],
    "fsync fails at sealing": [append("a1"), failing_sync, seal, append("b1")],
    "full disk": [append("a1"), full, append("x" * 1000), seal, room, append("b1")],
    "full disk, then reboot": [append("a1"), full, append("x" * 1000), reboot, room, append("b1")],
    "killed between rename and sync": [append("a1"), killed(seal, 2), append("b1")],
    "shipped": [append("a1"), seal, ship, append("b1"), seal, ship, reboot, append("c1"), seal],
    "adopted": [append("a1"), killed(append("orphan"), 1), full, append("x" * 1000), look, room],
    "producers": [append("a1"), send, send_again, seal, send, ship, send, seal, ship, reboot, send_again, send],
    "producer killed": [killed(send, 1), send_again, send, killed(send, 4), send_again, seal, ship, send],
    "producer and a failed fsync": [send, failing_sync, send, send_again, seal, send],
    "twice at once": [killed(append("a1"), 1), killed(append("b1"), 1), append("c1"), seal],
}  # fmt: skip


class Accident:
    """Where a run of a scenario ends."""

    def __init__(
        self, mode: Mode, *, power_off_at: int | None = None, kill_at: int | None = None, seed: int = 0
    ) -> None:
        self.mode = mode
        self.power_off_at = power_off_at
        self.kill_at = kill_at
        self.seed = seed

    def __repr__(self) -> str:
        return f"{self.mode} survives, off at {self.power_off_at}, killed at {self.kill_at}, seed {self.seed}"


def play(root: Path, steps: list[Step], accident: Accident, ignored: Site | None = None) -> SimulatedDisk:
    """Run into the accident and look after it. Raises what went wrong."""
    host = PoweredHost(root)
    host.disk.ignored = ignored
    host.disk.power_off_at, host.disk.kill_at = accident.power_off_at, accident.kill_at
    try:
        for step in steps:
            try:
                step(host)
            except Killed:
                host.die()
            except PoweredOff:
                break
        host.disk.room_bytes = None
        host.lose_power(accident.mode, accident.seed)
        host.check(torn=accident.mode in ("random", "newest", "older"))
    finally:
        host.die()
        shutil.rmtree(root)
    return host.disk


def sweep(root: Path, name: str, accidents: Iterable[Accident]) -> None:
    for accident in accidents:
        try:
            play(root, SCENARIOS[name], accident)
        except Exception as error:
            raise AssertionError(f"{name}: {accident}") from error


MODES: tuple[Mode, ...] = ("nothing", "newest", "random")


@pytest.mark.series
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("mode", MODES)
def test_what_was_promised_survives_power_loss_at_any_moment(name: str, mode: Mode, root: Path) -> None:
    changes = play(root, SCENARIOS[name], Accident("everything")).changes
    met = some(range(changes + 1), MODES.index(mode))
    sweep(root, name, (Accident(mode, power_off_at=change, seed=change) for change in met))


@pytest.mark.series
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_killed_process_left_unsynced_is_synced_by_the_next(name: str, root: Path) -> None:
    changes = play(root, SCENARIOS[name], Accident("everything")).changes
    sweep(root, name, (Accident("nothing", kill_at=change) for change in some(range(changes), name)))


# Each sync call of the log.


def sync_calls() -> list[tuple[str, int, str]]:
    """File name, line and function of each call of `sync_data` and `sync_folder` that the log makes."""
    found = []
    below = [Path(module.__file__) for module in (disk, durable_file)]
    for path in sorted([*Path(spool.log.__file__).parent.glob("*.py"), *below]):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                found += [(path.name, line, f"{function.name}.{call}") for line, call in _calls(function)]
    return found


def _calls(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("sync_data", "sync_folder")
        ):
            yield node.lineno, node.func.attr


def accidents(hits: list[int]) -> Iterator[Accident]:
    """Around the changes at which a sync was called in vain: at the end, behind it, or with a process killed there."""
    modes: tuple[Mode, ...] = ("nothing", "newest", "older")
    yield from (Accident(mode) for mode in modes)
    for hit, mode in itertools.product(hits, modes):
        yield from (Accident(mode, power_off_at=change) for change in range(hit, hit + 5))
    for hit, mode in itertools.product(hits, modes):
        yield from (Accident(mode, kill_at=change) for change in range(max(0, hit - 3), hit + 2))


def first_notice(site: Site, root: Path) -> str:
    """The first scenario and accident that goes wrong when this sync call does nothing; empty if none does."""
    for name, steps in SCENARIOS.items():
        hits = [change for called, change in play(root, steps, Accident("everything")).sync_calls if called == site]
        for accident in accidents(hits) if hits else ():
            try:
                play(root, steps, accident, ignored=site)
            except Exception as error:
                play(root, steps, accident)  # with the sync all is well
                return f"{name}: {accident}: {error}"
    return ""


@pytest.mark.parametrize(("file", "line", "call"), sync_calls(), ids=str)
def test_removing_any_one_sync_is_noticed(file: str, line: int, call: str, root: Path) -> None:
    notice = first_notice((file, line), root)
    assert notice, f"{file}:{line} {call} can be removed and nothing sees it"


def test_the_log_has_sync_calls_to_remove() -> None:
    assert len(sync_calls()) >= 12
