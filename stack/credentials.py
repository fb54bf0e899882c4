"""
Passwords and keys of the local stack: made at the first start, kept in its folder, readable by its owner only.

They are for loopback and one machine; a real deployment sets its own in Airflow connections.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from stack.place import Place

FILE = "credentials.json"
USERS = {"admin": "admin", "operator": "op", "viewer": "viewer", "analyst_a": "viewer", "analyst_b": "viewer"}


def credentials(place: Place) -> dict[str, str]:
    """All of them by name; made where they are missing."""
    path = place.make() / FILE
    stored: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [name for name in _names() if name not in stored]
    if missing:
        stored |= {name: _make(name) for name in missing}
        write_private(path, json.dumps(stored, indent=1))
    return stored


def airflow_passwords_file(place: Place) -> Path:
    """The users' passwords in the form of Airflow's simple auth manager."""
    stored = credentials(place)
    path = place.make("airflow") / "passwords.json"
    write_private(path, json.dumps({user: stored[f"airflow_user_{user}"] for user in USERS}, indent=1))
    return path


def _names() -> list[str]:
    services = ["s3_access_key", "s3_secret_key", "postgres", "mariadb"]
    airflow = ["airflow_jwt", "airflow_secret", "airflow_fernet", *(f"airflow_user_{user}" for user in USERS)]
    return services + airflow


def fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def token() -> str:
    return secrets.token_hex(16)


def signing_key() -> str:
    """64 characters, the length below which Airflow warns of a weak key for SHA-512."""
    return secrets.token_hex(32)


def cluster_id() -> str:
    """Kafka's: 16 bytes in base64. A leading dash would be taken for an option."""
    text = base64.urlsafe_b64encode(secrets.token_bytes(16))[:22].decode()
    return f"A{text[1:]}" if text.startswith("-") else text


def _make(name: str) -> str:
    if name == "airflow_fernet":
        return fernet_key()
    return secrets.token_hex(8) if name.startswith("airflow_user") else token()


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, for its owner's eyes only."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
