"""Each server of a test gets ports that nobody else has, and gives them back."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from stack.place import REPOSITORY
from tests.support import ports

pytestmark = pytest.mark.stack  # it opens sockets
BASES = range(23990, 24000, 2)


@pytest.fixture(autouse=True)
def release_all():
    before = set(ports._reservations)
    yield
    for base in set(ports._reservations) - before:
        ports.release(base)


def in_another_process(bases):
    program = f"from tests.support import ports; print(ports.reserve({bases!r}, wait_s=0))"
    run = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return run.stdout.strip() or run.stderr.splitlines()[-1]


def test_a_reserved_port_is_nobody_elses_before_a_server_listens_there():
    first = ports.reserve(BASES)
    assert ports.reserve(BASES) != first
    only_that = range(first, first + 1)
    assert in_another_process(only_that) == f"RuntimeError: no free ports: looked at {only_that} for 0 s"


def test_a_released_port_is_for_the_next_one():
    first = ports.reserve(BASES)
    ports.release(first)
    assert in_another_process(range(first, first + 1)) == str(first)
    assert ports.reserve(BASES) == first


def test_where_all_are_taken_it_waits_until_one_is_given_back():
    first = ports.reserve(BASES)
    only_that = range(first, first + 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ports.reserve, only_that)
        assert not waiting.done()
        ports.release(first)
        assert waiting.result() == first


def test_a_port_where_somebody_listens_is_passed_over_with_all_that_belong_to_it():
    first = ports.reserve(BASES, (0, 1))
    ports.release(first)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", first + 1))
        squatter.listen()
        assert ports.reserve(range(first, BASES.stop, 2), (0, 1)) > first
