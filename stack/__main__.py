"""
The local stack: `python -m stack VERB`.

    up [--only A,B]   start what is not running, in order, waiting for each to answer
    down              stop all, in the opposite order
    status            what runs, on which ports
    logs NAME         the end of a service's log; -f to follow
    env               variables for a shell: eval "$(python -m stack env)"
    kill NAME         SIGKILL, and keep it down until `start NAME`
    start NAME, stop NAME
    fetch             Kafka's jars; `make setup` does it
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time

from stack import processes
from stack.environment import deployment
from stack.place import Place, StackProblem, from_environment, is_listening
from stack.service import Service
from stack.services import all_services, kafka
from stack.supervision import Supervisor


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m stack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in ("up", "down", "status", "env", "fetch"):
        sub = verbs.add_parser(name)
        if name == "up":
            sub.add_argument("--only", default="", help="these services, by name, with commas between")
    for name in ("kill", "start", "stop", "logs"):
        sub = verbs.add_parser(name)
        sub.add_argument("name", nargs="?" if name == "logs" else None, default="")
        if name == "logs":
            sub.add_argument("-f", "--follow", action="store_true")
    options = parser.parse_args()
    try:
        _run(options)
    except BrokenPipeError:  # | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except StackProblem as problem:
        print(f"stack: {problem}", file=sys.stderr)
        if problem.hint:
            print(f"  what to do: {problem.hint}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    place = from_environment()
    _demand_ports_of_running(place, Supervisor(place))
    if options.verb == "up":
        up(place, [name for name in options.only.split(",") if name])
    elif options.verb == "down":
        down(place)
    elif options.verb == "status":
        status(place)
    elif options.verb == "env":
        for name, value in deployment(place).items():
            print(f"export {name}={shlex.quote(value)}")
    elif options.verb == "fetch":
        kafka.fetch(place.tools)
    elif options.verb == "logs":
        logs(place, options.name, follow=options.follow)
    else:
        one(place, options.verb, options.name)


def up(place: Place, only: list[str]) -> None:
    """Start in order; what runs and answers is left alone."""
    services = all_services(place)
    chosen = [service for service in services if not only or service.name in only]
    if unknown := set(only) - {service.name for service in services}:
        raise StackProblem(f"unknown service {', '.join(sorted(unknown))}", f"known are {_names(services)}")
    started = time.monotonic()
    with place.alone():
        supervisor = Supervisor(place)
        _demand_ports_of_running(place, supervisor)
        place.remember_port_base()
        if supervisor.is_running():
            supervisor.update(services)
        else:
            supervisor.start(services)
        for service in chosen:
            start(supervisor, place, service)
    print(
        f"the stack is up ({time.monotonic() - started:.0f} s); `make status` shows it, `make down` stops it",
        flush=True,
    )


def _demand_ports_of_running(place: Place, supervisor: Supervisor) -> None:
    """StackProblem where this folder's stack runs on other ports than asked for."""
    remembered = place.remembered_port_base()
    if remembered not in (None, place.port_base) and supervisor.is_running():
        raise StackProblem(
            f"the stack in {place.folder} runs on ports from {remembered}, not from {place.port_base}",
            "leave STACK_PORT_BASE out to mean that one; `make down` first to change its ports",
        )


def start(supervisor: Supervisor, place: Place, service: Service) -> None:
    """StackProblem with the end of its log when it does not answer in time."""
    begun = supervisor.state(service.name)["statename"] in ("RUNNING", "STARTING")
    if begun and service.ready():
        return
    if not begun:
        taken = [port for port in service.ports if is_listening(port)]
        if taken:
            raise StackProblem(
                f"{service.name} needs port {taken[0]}, which another process has",
                "stop that process, or `make down` and set STACK_PORT_BASE to another hundred",
            )
    began = time.monotonic()
    service.prepare()
    supervisor.start_process(service.name)
    while not service.ready():
        state = supervisor.state(service.name)["statename"]
        if state == "FATAL" or time.monotonic() - began > service.ready_within_s:
            raise StackProblem(
                f"{service.name} is {state} and does not answer:\n{_log_end(place, service.name)}",
                f"its whole log: {place.path('log', service.name + '.log')}",
            )
        time.sleep(0.1)
    service.settle()
    print(f"  {service.name:<22} ready in {time.monotonic() - began:4.1f} s  {service.url}", flush=True)


def down(place: Place) -> None:
    """Stop in the opposite order, then the supervisor; then whatever is left."""
    with place.alone():
        supervisor = Supervisor(place)
        if supervisor.is_running():
            for service in reversed(all_services(place)):
                if supervisor.state(service.name)["statename"] in ("RUNNING", "STARTING", "BACKOFF"):
                    supervisor.stop_process(service.name, interrupt_children=service.interrupt_children)
                    print(f"  {service.name} stopped", flush=True)
            supervisor.shutdown()
        ended = processes.end(place)
    print(f"the stack is down{f'; {ended} processes were left and have been ended' if ended else ''}", flush=True)


def status(place: Place) -> None:
    """A table; says where the passwords are, never what they are."""
    supervisor = Supervisor(place)
    running = supervisor.is_running()
    print(f"stack in {place.folder}, ports from {place.port_base}" + ("" if running else " (not running: `make up`)"))
    for service in all_services(place):
        info = supervisor.state(service.name) if running else {"statename": "STOPPED", "pid": 0}
        answers = "answers" if info["pid"] and service.ready() else "-"
        state, pid = info["statename"], info["pid"] or "-"
        ports = ",".join(str(port) for port in service.ports[:1])
        print(f"  {service.name:<22} {state:<9} {pid:>7}  {answers:<8} {ports:>6}  {service.url}")
    print(f"Airflow's users and their passwords: {place.path('airflow', 'passwords.json')}")
    print('variables for a shell: eval "$(.venv/bin/python -m stack env)"')


def logs(place: Place, name: str, *, follow: bool) -> None:
    if not name:
        print("\n".join(sorted(path.stem for path in place.path("log").glob("*.log"))))
        return
    path = place.path("log", f"{name}.log")
    if not path.exists():
        raise StackProblem(f"no log of {name}", f"services are {_names(all_services(place))}")
    subprocess.run(["tail", "-n", "100", *(["-F"] if follow else []), str(path)], check=False)


def one(place: Place, verb: str, name: str) -> None:
    """`kill`, `start` or `stop` of one service."""
    services = {service.name: service for service in all_services(place)}
    if name not in services:
        raise StackProblem(f"unknown service {name}", f"known are {_names(list(services.values()))}")
    supervisor = Supervisor(place)
    if not supervisor.is_running():
        raise StackProblem("the stack is not running", "make up")
    with place.alone():
        if verb == "kill":
            supervisor.kill_process(name)
        elif verb == "stop":
            supervisor.stop_process(name, interrupt_children=services[name].interrupt_children)
        else:
            start(supervisor, place, services[name])


def _log_end(place: Place, name: str, lines: int = 15) -> str:
    path = place.path("log", f"{name}.log")
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "(no log)"
    return "\n".join(text.splitlines()[-lines:])


def _names(services: list[Service]) -> str:
    return ", ".join(service.name for service in services)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
