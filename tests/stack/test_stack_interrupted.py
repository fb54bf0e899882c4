"""What a person interrupts leaves no process behind. Each test takes ten seconds: a database is started and stopped."""

import os
import signal
import subprocess
import sys

import pytest

from stack import processes
from stack.place import REPOSITORY
from tests.support.local_stack import LocalStack


@pytest.fixture
def stack():
    stack = LocalStack()
    yield stack
    stack.remove()


@pytest.fixture
def start_demo(stack):
    """`make demo` in a terminal of its own, from the moment when its first service runs."""
    begun = []

    def start():
        demo = subprocess.Popen(
            [sys.executable, "-u", "-m", "stack.demo"],
            env=stack.environment(), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        begun.append(demo)
        assert any("postgres" in line and "ready in" in line for line in demo.stdout)
        return demo

    yield start
    for demo in begun:
        demo.kill()
        demo.wait()
        demo.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_demo_stops_the_stack_that_it_started(stack, start_demo, number):
    demo = start_demo()
    assert processes.leftovers(stack.place)
    os.killpg(demo.pid, number)  # as a terminal does
    assert "interrupted" in demo.stdout.read()
    assert demo.wait() == 128 + number
    assert processes.leftovers(stack.place) == []


def test_an_interrupted_demo_leaves_a_stack_that_ran_before(stack, start_demo):
    stack.ok("up", "--only", "collector_a")
    before = stack.pid("collector_a")
    demo = start_demo()
    os.killpg(demo.pid, signal.SIGINT)
    assert "keeps running" in demo.stdout.read()
    demo.wait()
    assert stack.pid("collector_a") == before
