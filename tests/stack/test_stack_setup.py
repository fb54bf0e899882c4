"""`make setup` on machines that lack something: it says what and why, and never shows a traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.airflow_home import REPOSITORY

NO_REGISTRY = "http://127.0.0.1:9/simple"


@pytest.fixture
def checkout(tmp_path):
    """Only what the script reads; nothing is installed in it."""
    folder = tmp_path / "checkout"
    (folder / "stack").mkdir(parents=True)
    shutil.copy(REPOSITORY / "stack" / "setup.sh", folder / "stack" / "setup.sh")
    (folder / "requirements-dev.txt").write_text("pytest==9.9.9 --hash=sha256:" + "0" * 64 + "\n")
    return folder


def programs(folder: Path, *, without: tuple[str, ...], user_id: int) -> Path:
    """A folder for PATH with everything of this machine's but `without`; `id -u` says `user_id`."""
    folder.mkdir()
    for place in ("/usr/sbin", "/usr/bin", "/usr/local/bin"):
        for path in Path(place).iterdir():
            link = folder / path.name
            if path.name not in (*without, "id") and not link.exists():
                link.symlink_to(path)
    (folder / "id").write_text(f"#!/bin/sh\necho {user_id}\n")
    (folder / "id").chmod(0o755)
    return folder


def setup(checkout, **variables):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(checkout),
        "PYTHON": sys.executable if sys.prefix == sys.base_prefix else os.path.realpath(sys.executable),
        "PIP_INDEX_URL": NO_REGISTRY,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "UV_INDEX_URL": NO_REGISTRY,
        "UV_DEFAULT_INDEX": NO_REGISTRY,
        "UV_NO_CONFIG": "1",
        "UV_NO_CACHE": "1",
        "UV_HTTP_RETRIES": "0",
    } | variables
    return subprocess.run(
        ["sh", "stack/setup.sh"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def assert_says(run, *texts):
    assert run.returncode == 1
    for text in texts:
        assert text in run.stdout + run.stderr, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_missing_packages_are_named_with_their_reason_where_it_cannot_install_them(checkout, tmp_path):
    path = programs(tmp_path / "bin", without=("java", "rsync", "sudo"), user_id=1000)
    run = setup(checkout, PATH=str(path))
    assert_says(
        run, "no root and no sudo", "openjdk-17-jre-headless    runs Kafka", "collector hosts",
        "apt-get install -y openjdk-17-jre-headless rsync",
    )  # fmt: skip
    assert "maven" not in run.stdout + run.stderr


def test_apt_that_fails_says_so_and_where_its_output_is(checkout, tmp_path):
    path = programs(tmp_path / "bin", without=("rsync", "apt-get"), user_id=0)
    (path / "apt-get").write_text('#!/bin/sh\necho "E: Unable to locate package"; exit 100\n')
    (path / "apt-get").chmod(0o755)
    run = setup(checkout, PATH=str(path))
    assert_says(run, "apt could not install rsync", "E: Unable to locate package", "the whole output is in")


def test_sudo_is_used_where_there_is_no_root(checkout, tmp_path):
    path = programs(tmp_path / "bin", without=("rsync", "sudo"), user_id=1000)
    (path / "sudo").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked; exit 1\n')
    (path / "sudo").chmod(0o755)
    assert_says(setup(checkout, PATH=str(path)), "apt could not install rsync")
    assert "apt-get update" in (tmp_path / "asked").read_text()


def test_another_python_is_refused(checkout, tmp_path):
    other = tmp_path / "python3.9"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    assert_says(setup(checkout, PYTHON=str(other)), "Python 3.11 is needed")


def test_without_a_registry_uv_is_what_is_missing_first(checkout):
    assert_says(setup(checkout), "uv could not be installed", "is PyPI, or a mirror")


def test_without_a_registry_the_packages_are_what_is_missing(checkout):
    (checkout / ".venv-uv").symlink_to(REPOSITORY / ".venv-uv")
    assert_says(setup(checkout), "the Python packages could not be installed", "is PyPI, or a mirror")
    assert not (checkout / ".venv" / ".requirements").exists()


def test_a_second_setup_installs_nothing_and_asks_no_registry():
    run = setup(REPOSITORY, HOME=os.environ.get("HOME", "/"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout == ""


def test_without_maven_central_the_jars_are_what_is_missing(tmp_path):
    settings = tmp_path / ".m2"
    settings.mkdir()
    (settings / "settings.xml").write_text(
        "<settings><mirrors><mirror><id>none</id><mirrorOf>*</mirrorOf><url>http://127.0.0.1:9/</url></mirror></mirrors></settings>"
    )
    home = {"HOME": str(tmp_path), "MAVEN_OPTS": f"-Duser.home={tmp_path}", "PYTHONPATH": str(REPOSITORY)}
    program = "from pathlib import Path; from stack.services.kafka import fetch; fetch(Path('tools'))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env={**os.environ, **home}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "Kafka's jars could not be fetched" in run.stderr
    assert not (tmp_path / "tools" / "kafka" / ".complete").exists()
    assert not (REPOSITORY / "stack" / "kafka" / "tools").exists()
