"""
`.env` from `.env.example`, with fresh passwords and keys: `python3 -m stack.compose_env`.

Only its owner may read it, and one that exists is never overwritten: the volumes keep the passwords of their first
start.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from stack.credentials import cluster_id, fernet_key, signing_key, token
from stack.place import REPOSITORY

MAKERS = {"fernet": fernet_key, "token": token, "signing": signing_key, "cluster": cluster_id}


def filled(template: str) -> str:
    """Every `make:KIND` replaced by a value of its own."""
    return re.sub(r"(?m)(?<==)make:(\w+)$", lambda match: MAKERS[match[1]](), template)


def write_environment(template: Path, target: Path) -> None:
    """FileExistsError when `target` is there already."""
    text = filled(template.read_text(encoding="utf-8"))
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def main() -> int:
    try:
        write_environment(REPOSITORY / ".env.example", REPOSITORY / ".env")
    except FileExistsError:
        print(
            ".env exists already and was left as it is: the volumes were made with its passwords\n"
            "  what to do: remove the volumes with `docker compose -f docker-compose.airflow.yml down -v`, then .env",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
