"""Dead letters over MariaDB for the contract suite: the feature `demo` finds what is requeued in a table of its own."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from include.database.connection import transaction
from include.database.tables import DEAD_LETTERS
from include.dead_letters.letters import StoredLetter, Unprocessed
from include.dead_letters.sql_letters import SqlDeadLetters

FEATURE = "demo"


def into_the_inbox(connection: Connection, letter: StoredLetter, payload: bytes) -> str:
    """The way back of the feature `demo`."""
    result = connection.execute(text("INSERT INTO demo_inbox (payload) VALUES (:payload)"), {"payload": payload})
    return f"demo_inbox {result.lastrowid}"


class SqlPlace:
    def __init__(self, database: Engine) -> None:
        self.database = database
        self.letters = SqlDeadLetters(database, {FEATURE: into_the_inbox})

    @classmethod
    def empty(cls, database: Engine) -> SqlPlace:
        with transaction(database) as connection:
            connection.execute(DEAD_LETTERS.delete())
            connection.execute(
                text(
                    "CREATE TABLE IF NOT EXISTS demo_inbox "
                    "(id INT AUTO_INCREMENT PRIMARY KEY, payload VARBINARY(255) NOT NULL)"
                )
            )
            connection.execute(text("DELETE FROM demo_inbox"))
        return cls(database)

    def put(self, number: int, reason: str = "no such installation") -> str:
        return self.letters.put(Unprocessed(FEATURE, f"change {number}", f"payload {number}".encode()), reason)

    def sent(self) -> list[str]:
        with transaction(self.database) as connection:
            rows = connection.scalars(text("SELECT payload FROM demo_inbox ORDER BY id")).all()
        return [bytes(row).decode() for row in rows]

    def again(self) -> SqlPlace:
        return SqlPlace(self.database)
