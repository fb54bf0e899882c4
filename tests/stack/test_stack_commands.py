"""`python -m stack` as a person uses it: real processes, in a folder and on ports of the test's own."""

import json
import os
import signal
import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stack import processes
from stack.place import Place, StackProblem
from stack.service import require_way_in
from tests.support.local_stack import LocalStack
from tests.support.ports import is_free
from tests.support.waiting import until

CHEAP = "collector_a,collector_b"
WITH_S3 = "s3,collector_a"


@pytest.fixture
def make_stack():
    """Whatever a test leaves is ended."""
    made = []

    def make():
        made.append(LocalStack())
        return made[-1]

    yield make
    for stack in made:
        stack.remove()


def wait_until(condition):
    until(condition, "the stack is so", every_s=0.1)


def test_up_twice_changes_nothing_and_down_leaves_nothing(make_stack):
    stack = make_stack()
    assert "ready in" in stack.ok("up", "--only", WITH_S3)
    # A service may answer before its supervisor calls it RUNNING.
    wait_until(lambda: all(stack.rows()[name][0] == "RUNNING" for name in WITH_S3.split(",")))
    before = stack.rows()
    assert before["s3"][2] == "answers"
    assert before["collector_a"][2] == "answers"
    assert before["kafka"] == ("STOPPED", "-", "-")
    secrets = (stack.place.folder / "credentials.json").read_text()

    assert "ready in" not in stack.ok("up", "--only", WITH_S3)
    assert stack.rows() == before

    assert "s3 stopped" in stack.ok("down")
    assert processes.leftovers(stack.place) == []
    assert is_free(stack.place.port("s3"))
    assert "the stack is down" in stack.ok("down")
    assert (stack.place.folder / "credentials.json").read_text() == secrets


def test_the_ports_of_a_stack_are_known_in_a_shell_where_nobody_has_set_them(make_stack):
    stack = make_stack()
    stack.ok("up", "--only", "collector_a")
    place = stack.place
    status = stack.run("status", port_base="").stdout
    assert f"ports from {place.port_base}" in status
    assert f" {place.port('collector_a')} " in status
    assert f"export COLLECTOR_A_PORT={place.port('collector_a')}\n" in stack.run("env", port_base="").stdout
    assert "collector_a stopped" in stack.run("down", port_base="").stdout
    assert f"ports from {place.port_base} (not running" in stack.run("status", port_base="").stdout


@pytest.mark.parametrize("verb", ["status", "env", "up", "down"])
def test_a_running_stack_is_not_taken_for_one_on_other_ports(make_stack, verb):
    stack = make_stack()
    stack.ok("up", "--only", "collector_a")
    pid = stack.pid("collector_a")
    run = stack.run(verb, port_base="10000")
    assert run.returncode == 1
    assert f"runs on ports from {stack.place.port_base}, not from 10000" in run.stderr
    assert "leave STACK_PORT_BASE out" in run.stderr
    assert stack.pid("collector_a") == pid


def test_a_stack_whose_supervisor_was_killed_starts_again(make_stack):
    stack = make_stack()
    stack.ok("up", "--only", WITH_S3)
    # sshd writes its title over its environment: it is found by its session alone.
    orphans = {stack.pid("s3"), stack.pid("collector_a")}
    os.kill(stack.supervisor_pid(), signal.SIGKILL)
    wait_until(lambda: set(processes.leftovers(stack.place)) == orphans)
    assert "(not running" in stack.ok("status")

    assert "ended 2 processes that an earlier supervisor left" in stack.ok("up", "--only", WITH_S3)
    assert orphans.isdisjoint({stack.pid("s3"), stack.pid("collector_a")})
    assert stack.rows()["collector_a"][2] == "answers"


def test_a_stack_that_was_killed_as_a_whole_starts_again(make_stack):
    stack = make_stack()
    stack.ok("up", "--only", CHEAP)
    for pid in processes.leftovers(stack.place):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: processes.leftovers(stack.place) == [])
    stack.ok("up", "--only", CHEAP)
    assert stack.rows()["collector_b"][2] == "answers"


def test_down_ends_what_a_killed_supervisor_left(make_stack):
    stack = make_stack()
    stack.ok("up", "--only", CHEAP)
    os.kill(stack.supervisor_pid(), signal.SIGKILL)
    assert "2 processes were left and have been ended" in stack.ok("down")


def test_a_killed_service_stays_down_until_it_is_started(make_stack):
    stack = make_stack()
    stack.ok("up", "--only", CHEAP)
    stack.ok("kill", "collector_b")
    time.sleep(2)  # a restart would have come by now
    assert stack.rows()["collector_b"] == ("STOPPED", "-", "-")
    assert is_free(stack.place.port("collector_b"))
    assert "collector_b" in stack.ok("start", "collector_b")
    assert stack.rows()["collector_b"][2] == "answers"


def test_a_service_that_dies_is_started_again(make_stack):
    stack = make_stack()
    stack.ok("up", "--only", "collector_a")
    first = stack.pid("collector_a")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: stack.rows()["collector_a"][2] == "answers")
    assert stack.pid("collector_a") != first


def test_two_stacks_run_side_by_side(make_stack):
    one, other = make_stack(), make_stack()
    one.ok("up", "--only", CHEAP)
    other.ok("up", "--only", CHEAP)
    assert one.pid("collector_b") != other.pid("collector_b")
    one.ok("down")
    assert other.rows()["collector_b"][2] == "answers"
    assert other.rows()["collector_a"][2] == "answers"


def test_two_ups_at_once_start_one_stack(make_stack):
    stack = make_stack()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: stack.run("up", "--only", "collector_a"), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert sum("ready in" in run.stdout for run in runs) == 1
    # Supervisor and sshd; sshd has a child for a moment after every probe.
    wait_until(lambda: len(processes.leftovers(stack.place)) == 2)


def test_a_taken_port_is_named(make_stack):
    stack = make_stack()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", stack.place.port("collector_a")))
        squatter.listen()
        run = stack.run("up", "--only", "collector_a")
    assert run.returncode == 1
    assert f"collector_a needs port {stack.place.port('collector_a')}, which another process has" in run.stderr
    assert "STACK_PORT_BASE" in run.stderr
    assert "Traceback" not in run.stderr


def test_passwords_are_their_owners_alone_and_differ_between_stacks(make_stack):
    one, other = make_stack(), make_stack()
    for stack in (one, other):
        stack.ok("up", "--only", "collector_a")
    held = [json.loads((stack.place.folder / "credentials.json").read_text()) for stack in (one, other)]
    assert held[0].keys() == held[1].keys()
    assert all(held[0][name] != held[1][name] for name in held[0])
    private = [
        one.place.folder / "credentials.json",
        *one.place.path("run").glob("*.sh"),
        one.place.path("run", "supervisord.conf"),
    ]
    assert len(private) > 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert not any(secret in one.ok("status") for secret in held[0].values())


@pytest.mark.parametrize("base", ["20050", "9900", "22700", "many"])
def test_a_port_base_that_cannot_work_is_refused(base, make_stack):
    stack = make_stack()
    place = stack.place
    stack.place = Place(place.folder, base)
    run = stack.run("status")
    assert run.returncode == 1
    assert f"STACK_PORT_BASE={base}" in run.stderr
    assert "multiple of 100" in run.stderr
    stack.place = place


def test_a_folder_too_long_for_sockets_is_refused(make_stack):
    stack = make_stack()
    place = stack.place
    stack.place = Place(place.folder / ("x" * 100), place.port_base)
    run = stack.run("up")
    assert run.returncode == 1
    assert "too long a path for sockets" in run.stderr
    stack.place = place


def test_an_unknown_service_is_answered_with_the_known_ones(make_stack):
    stack = make_stack()
    for arguments in (("up", "--only", "kafak"), ("kill", "kafak")):
        run = stack.run(*arguments)
        assert run.returncode == 1
        assert "unknown service kafak" in run.stderr
        assert "shipper" in run.stderr


def test_a_folder_that_the_service_may_not_enter_is_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StackProblem, match=f"nobody may not enter {closed}") as caught:
        require_way_in(closed / "stack" / "postgres", "nobody")
    assert "chmod o+x" in caught.value.hint
    require_way_in(closed / "stack" / "postgres", "")
