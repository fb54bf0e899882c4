"""Failpoints act at the pass they were armed for, and nowhere else."""

import errno
import signal
import subprocess
import sys

import pytest

from spool import failpoints


@pytest.fixture(autouse=True)
def _disarmed():
    yield
    failpoints.arm("")


def test_an_unarmed_failpoint_does_nothing():
    failpoints.reach("nowhere")


def test_it_acts_at_the_given_pass_and_only_then():
    failpoints.arm("here=eio@2")
    failpoints.reach("here")
    with pytest.raises(OSError, match="Input/output") as caught:
        failpoints.reach("here")
    assert caught.value.errno == errno.EIO
    failpoints.reach("here")


def test_an_unknown_action_is_refused():
    with pytest.raises(ValueError, match="unknown action 'explode'"):
        failpoints.arm("here=explode")


def test_kill_is_sigkill_taken_from_the_environment():
    code = "from spool import failpoints; failpoints.reach('a'); print('alive')"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"SPOOL_FAILPOINTS": "a=kill", "PYTHONPATH": "."},
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (-signal.SIGKILL, b"")
