"""
Serves the logs of running tasks to the api-server, on loopback: `python -m stack.log_server`.

Airflow's scheduler and triggerer would each start such a server, on every address of the machine, and no setting
changes that. They are started without; this one serves the files of both.
"""

from __future__ import annotations

from stack.place import HOST


def host_name() -> str:
    """[core] hostname_callable: where the api-server asks for the logs of a task."""
    return HOST


def main() -> None:
    import uvicorn
    from airflow.configuration import conf

    uvicorn.run(
        "airflow.utils.serve_logs.log_server:get_app",
        factory=True,
        host=HOST,
        port=conf.getint("logging", "worker_log_server_port"),
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
