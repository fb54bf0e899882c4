"""`.env.example` with fresh passwords and keys, on standard output: `python3 -m stack.compose_env > .env`."""

from __future__ import annotations

import re
import sys

from stack.credentials import cluster_id, fernet_key, token
from stack.place import REPOSITORY

MAKERS = {"fernet": fernet_key, "token": token, "cluster": cluster_id}


def filled(template: str) -> str:
    """Every `make:KIND` replaced, each by one of its own."""
    return re.sub(r"(?m)(?<==)make:(\w+)$", lambda match: MAKERS[match[1]](), template)


if __name__ == "__main__":
    sys.stdout.write(filled((REPOSITORY / ".env.example").read_text(encoding="utf-8")))
