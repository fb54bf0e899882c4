"""supervisor keeps the processes; this module writes its configuration and talks to it over its socket."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from stack import processes
from stack.place import Place, StackProblem
from stack.service import Service, own

_STAYS_DOWN_S = 60.0


class _SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        path = self._path

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.settimeout(120)
                self.sock.connect(str(path))

        connection = Connection("localhost")
        self._connection = (None, connection)  # what `close` of the base class closes
        return connection

    def single_request(self, *arguments: Any, **options: Any) -> Any:
        """One connection for each request: nothing is left open."""
        try:
            return super().single_request(*arguments, **options)
        finally:
            self.close()


class Supervisor:
    """The supervisor of one stack."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._socket = place.path("run", "supervisor.sock")

    @property
    def calls(self) -> Any:
        return cast(Any, xmlrpc.client.ServerProxy("http://localhost", _SocketTransport(self._socket))).supervisor

    def is_running(self) -> bool:
        try:
            return bool(self.calls.getState()["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return False

    def start(self, services: list[Service]) -> None:
        """Start the supervisor itself; nothing else is started. What an earlier one left is ended first."""
        ended = processes.end(self._place)
        if ended:
            print(f"ended {ended} processes that an earlier supervisor left", flush=True)
        self._socket.unlink(missing_ok=True)
        configuration = self.write_configuration(services)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        run = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        if run.returncode:
            raise StackProblem(f"supervisor did not start: {run.stdout}{run.stderr}")
        deadline = time.monotonic() + 15
        while not self.is_running():
            if time.monotonic() > deadline:
                raise StackProblem("supervisor does not answer", f"see {self._place.path('log', 'supervisord.log')}")
            time.sleep(0.05)
        processes.record_session(self._place, int(self.calls.getPID()))

    def update(self, services: list[Service]) -> None:
        """Take over a changed configuration without touching what runs."""
        self.write_configuration(services)
        processes.record_session(self._place, int(self.calls.getPID()))
        added, _changed, _removed = self.calls.reloadConfig()[0]
        for name in added:
            self.calls.addProcessGroup(name)

    def state(self, name: str) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], self.calls.getProcessInfo(name))
        except xmlrpc.client.Fault:
            return {"statename": "UNKNOWN", "pid": 0, "description": ""}

    def start_process(self, name: str) -> None:
        try:
            self.calls.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise StackProblem(f"{name} did not start: {fault.faultString}") from None

    def stop_process(self, name: str, *, interrupt_children: bool = False) -> None:
        """SIGTERM to its group, SIGKILL when it takes too long; returns when it has ended."""
        pid = self.state(name)["pid"]
        try:
            self.calls.stopProcess(name, not interrupt_children)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise StackProblem(f"{name} did not stop: {fault.faultString}") from None
        # Again and again: what was queued may still be started.
        while interrupt_children and pid and self.state(name)["statename"] == "STOPPING":
            processes.signal_groups(processes.groups_below(pid), signal.SIGINT)
            time.sleep(0.5)

    def kill_process(self, name: str) -> None:
        """SIGKILL to it and to what it started; not started again until somebody asks."""
        self._kill_groups(name)
        deadline = time.monotonic() + _STAYS_DOWN_S
        # Between its end and the next look of the supervisor a process is neither stopped nor started again.
        while self.state(name)["statename"] not in ("STOPPED", "FATAL", "UNKNOWN"):
            if time.monotonic() > deadline:
                raise StackProblem(f"{name} does not stay down")
            with suppress(xmlrpc.client.Fault):
                self.calls.stopProcess(name, False)
            # One that was started again meanwhile is not waited for either: a server that just begins ends slowly.
            self._kill_groups(name)
            time.sleep(0.1)

    def _kill_groups(self, name: str) -> None:
        if pid := self.state(name)["pid"]:
            processes.signal_groups([pid, *processes.groups_below(pid)], signal.SIGKILL)

    def shutdown(self) -> None:
        """Returns when the supervisor itself has gone."""
        pid = int(self.calls.getPID())
        self.calls.shutdown()
        deadline = time.monotonic() + 60
        while processes.is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)

    def write_configuration(self, services: list[Service]) -> Path:
        place = self._place
        place.make("log")
        place.make("run")
        path = place.path("run", "supervisord.conf")
        sections = [
            "[unix_http_server]", f"file={self._socket}", "chmod=0700",
            "[supervisord]",
            f"logfile={place.path('log', 'supervisord.log')}", f"pidfile={place.path('run', 'supervisord.pid')}",
            f"childlogdir={place.path('log')}", "nodaemon=false", "silent=true", "minfds=4096",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        ]  # fmt: skip
        for service in services:
            sections += self._program(service)
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(sections) + "\n")
        return path

    def _program(self, service: Service) -> list[str]:
        lines = [
            f"[program:{service.name}]",
            f"command=/bin/sh {self._script(service)}",
            "directory=/" if service.user else f"directory={self._place.folder}",
            "autostart=false", "autorestart=true", "startsecs=1", "startretries=10",
            "stopasgroup=true", "killasgroup=true",
            f"stopsignal={service.stop_signal}", f"stopwaitsecs={service.stop_wait_s}",
            "redirect_stderr=true", f"stdout_logfile={self._place.path('log', service.name + '.log')}",
            "stdout_logfile_maxbytes=20MB", "stdout_logfile_backups=2",
        ]  # fmt: skip
        return [*lines, f"user={service.user}"] if service.user else lines

    def _script(self, service: Service) -> Path:
        """The command with its variables, for its user's eyes only: supervisor's own way quotes badly, prints all."""
        variables = {processes.VARIABLE: str(self._place.folder), **service.environment}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        path = self._place.path("run", f"{service.name}.sh")
        temporary = path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, f"exec {shlex.join(service.command)}"]) + "\n")
        own(temporary, service.user)
        temporary.replace(path)
        return path

    def _environment(self) -> dict[str, str]:
        """The caller's, less what is Airflow's or the spool's: a stack is configured by its configuration only."""
        left_out = ("AIRFLOW", "SPOOL_", "SPILLWAY", "STACK_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return {**kept, processes.VARIABLE: str(self._place.folder)}
