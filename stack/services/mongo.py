"""The MongoDB protocol: SecantusDB, a development tool that is never imported by the product."""

from __future__ import annotations

import sys
from pathlib import Path

from stack.place import HOST, Place
from stack.service import Service


def service(place: Place) -> Service:
    port = place.port("mongo")
    return Service(
        name="mongo",
        command=[
            str(Path(sys.prefix) / "bin" / "secantusd-py"), "--host", HOST, "--port", str(port),
            "--storage-path", str(place.path("mongo", "db")), "--sync-on-commit",
        ],
        prepare=lambda: place.make("mongo"),
        ready=lambda: _answers(port),
        ports=(port,),
    )  # fmt: skip


def uri(place: Place) -> str:
    return f"mongodb://{HOST}:{place.port('mongo')}/?directConnection=true"


def _answers(port: int) -> bool:
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    client: MongoClient[dict[str, object]] = MongoClient(
        HOST, port, directConnection=True, serverSelectionTimeoutMS=1000
    )
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    finally:
        client.close()
    return True
