from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from include.common.processes import bounded
from include.common.processes.bounded import CommandTimedOut, OutputTooLarge, run
from tests.support.waiting import until


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_output_errors_and_exit_code_come_back() -> None:
    ended = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), timeout_s=30)
    assert ended == (3, "out\n", "err\n")


def test_what_is_given_is_read_and_nothing_else(tmp_path: Path) -> None:
    assert run(["cat"], timeout_s=30, stdin=b"x" * 1_000_000).output == "x" * 1_000_000
    assert run(["cat"], timeout_s=30).output == ""


def test_the_environment_is_almost_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPILLWAY_MONGO_IMPORT_URI", "mongodb://user:secret@host/")
    names = run(["env"], timeout_s=30).output
    assert {line.partition("=")[0] for line in names.splitlines()} <= {"PATH", "LC_ALL", "_", "PWD", "SHLVL"}


def test_lines_end_with_a_carriage_return_too_and_are_not_kept() -> None:
    lines: list[str] = []
    ended = run(python("import sys; sys.stdout.write('a\\rb\\nc\\n')"), timeout_s=30, on_line=lines.append)
    assert (lines, ended.output) == (["a", "b", "c"], "")


def test_only_the_end_of_many_errors_is_kept() -> None:
    ended = run(python("import sys; sys.stderr.write('x' * 1_000_000 + 'end')"), timeout_s=30)
    assert len(ended.errors) == bounded.ERRORS_BYTES_KEPT
    assert ended.errors.endswith("xend")


def test_too_much_output_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "OUTPUT_BYTES_MAX", 1000)
    with pytest.raises(OutputTooLarge):
        run(["yes"], timeout_s=30)


def test_a_deadline_ends_the_whole_group_also_who_ignores_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ENDING_S", 0.3)
    code = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '1000']);"
        f"print(os.getpid(), child.pid, file=open({str(tmp_path / 'pids')!r}, 'w'), flush=True); time.sleep(1000)"
    )
    for timeout_s in (1, 10, 100):  # the deadline of one of them is later than the start of Python
        with pytest.raises(CommandTimedOut):
            run(python(code), timeout_s=timeout_s)
        if pids := [int(pid) for path in tmp_path.glob("pids") for pid in path.read_text().split()]:
            break
    assert len(pids) == 2
    until(lambda: not any(map(alive, pids)), "the group has ended")


def test_an_error_while_reading_ends_the_command_too() -> None:
    def fail(line: str) -> None:
        raise KeyError(int(line))

    with pytest.raises(KeyError) as error:
        run(python("import os, time; print(os.getpid(), flush=True); time.sleep(1000)"), timeout_s=30, on_line=fail)
    assert not alive(error.value.args[0])


def test_a_child_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "from include.common.processes import bounded;"
        f"bounded.run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 1000 <&- >&- 2>&-'], timeout_s=1000)"
    )
    parent = subprocess.Popen(python(code), cwd=Path(__file__).parents[4])
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the child has begun")
    child = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    until(lambda: not alive(child), "the child has ended")
