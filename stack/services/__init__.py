"""Every service, in the order they are started. A new one: a file here and a line below."""

from __future__ import annotations

from stack.place import Place
from stack.service import Service
from stack.services import airflow, kafka, mail, mariadb, mirror, mongo, postgres, s3, shipper, sshd


def all_services(place: Place) -> list[Service]:
    """Later ones may need earlier ones to be ready."""
    return [
        postgres.service(place),
        s3.service(place),
        kafka.service(place),
        mariadb.service(place),
        mongo.service(place),
        mail.service(place),
        *sshd.services(place),
        shipper.service(place),
        mirror.service(place),
        *airflow.services(place),
    ]
