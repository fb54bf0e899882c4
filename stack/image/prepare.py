"""
Once before Airflow's components start, and harmless again: buckets, passwords of the users, both databases, pools.

Reads AIRFLOW_PASSWORD_<USER>, SPOOL_S3_*, SPILLWAY_DATABASE_URI and the settings of Airflow from the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from include.database.connection import connect_to, engine
from include.database.migrate import upgrade
from stack.credentials import USERS, write_private
from stack.place import BUCKETS, REPOSITORY
from stack.services.s3 import make_buckets


def main() -> None:
    make_buckets(
        os.environ["SPOOL_S3_ENDPOINT"], os.environ["SPOOL_S3_ACCESS_KEY"], os.environ["SPOOL_S3_SECRET_KEY"], BUCKETS
    )
    passwords = {user: os.environ[f"AIRFLOW_PASSWORD_{user.upper()}"] for user in USERS}
    write_private(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]), json.dumps(passwords))
    for folder in (os.environ["SPOOL_FOLDER"], os.environ["SPILLWAY_STATE"]):
        Path(folder).mkdir(parents=True, exist_ok=True)
    upgrade(engine(connect_to(os.environ["SPILLWAY_DATABASE_URI"])))
    # The buckets exist by now, but the logs of these two commands are for the terminal.
    variables = {**os.environ, "AIRFLOW__LOGGING__REMOTE_LOGGING": "False"}
    subprocess.run(["airflow", "db", "migrate"], env=variables, check=True)
    pools = REPOSITORY / "config" / "airflow_pools.json"
    subprocess.run(["airflow", "pools", "import", str(pools)], env=variables, check=True)


if __name__ == "__main__":
    main()
