"""What every process of the deployment needs to know about its neighbours, as variables."""

from __future__ import annotations

import getpass
import json

from stack.credentials import credentials
from stack.place import BUCKETS, HOST, REPOSITORY, Place


def deployment(place: Place) -> dict[str, str]:
    """The spool's places, the state folders, and what `python -m include...` needs. Holds secrets."""
    secrets = credentials(place)
    mongo = f"mongodb://{HOST}:{place.port('mongo')}"
    return {
        "STACK_DIR": str(place.folder),
        "STACK_PORT_BASE": str(place.port_base),
        "SPOOL_FOLDER": str(place.path("spool")),
        "SPOOL_S3_BUCKET": BUCKETS[0],
        "SPOOL_S3_ENDPOINT": f"http://{HOST}:{place.port('s3')}",
        "SPOOL_S3_ACCESS_KEY": secrets["s3_access_key"],
        "SPOOL_S3_SECRET_KEY": secrets["s3_secret_key"],
        "SPOOL_KAFKA_BOOTSTRAP": f"{HOST}:{place.port('kafka')}",
        "SPILLWAY_STATE": str(place.path("state")),
        "SPILLWAY_INSTALLATION": "local",
        "SPILLWAY_BRIDGES": str(place.path("bridges.json")),
        "SPILLWAY_COLLECTOR_FOLDER": str(place.path("collectors")),
        "COLLECTOR_A_PORT": str(place.port("collector_a")),
        "COLLECTOR_B_PORT": str(place.port("collector_b")),
        "COLLECTOR_USER": getpass.getuser(),
        "SPILLWAY_MONGO_IMPORT_URI": f"{mongo}/measurements?directConnection=true",
        "SPILLWAY_MONGO_READ_URI": f"{mongo}/measurements?directConnection=true",
        "SPILLWAY_DATABASE_URI": f"mysql://spillway:{secrets['mariadb']}@{HOST}:{place.port('mariadb')}/app",
        "SPILLWAY_WAREHOUSE": str(place.path("warehouse")),
        "SPILLWAY_MARIADB_APP_URI": f"mysql://spillway:{secrets['mariadb']}@{HOST}:{place.port('mariadb')}/app",
        "SPILLWAY_MIRROR_PORT": str(place.port("mirror")),
    }


def connections(place: Place) -> dict[str, str]:
    """Airflow connections as variables; docs/reference/connections.md says who uses which."""
    secrets = credentials(place)
    s3 = {
        "conn_type": "aws",
        "login": secrets["s3_access_key"],
        "password": secrets["s3_secret_key"],
        "extra": {
            "endpoint_url": f"http://{HOST}:{place.port('s3')}",
            "region_name": "us-east-1",
            "service_config": {"s3": {"bucket_name": BUCKETS[0]}},
        },
    }
    mariadb = {
        "conn_type": "mysql", "host": HOST, "port": place.port("mariadb"), "login": "spillway",
        "password": secrets["mariadb"], "schema": "app",
    }  # fmt: skip
    mongo = {
        "conn_type": "mongo", "host": HOST, "port": place.port("mongo"), "schema": "measurements",
        "extra": {"directConnection": "true"},
    }  # fmt: skip
    smtp = {
        "conn_type": "smtp", "host": HOST, "port": place.port("smtp"),
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "spillway@localhost"},
    }  # fmt: skip
    by_id = {
        "aws_spool": s3,
        "aws_logs": s3,
        "kafka_spool": {"conn_type": "kafka", "extra": {"bootstrap.servers": f"{HOST}:{place.port('kafka')}"}},
        "mariadb_app": mariadb,
        "mongo_import": mongo,
        "mongo_read": mongo,
        "smtp_default": smtp,
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in by_id.items()}


def python_path() -> dict[str, str]:
    return {"PYTHONPATH": str(REPOSITORY)}
