"""GTID positions of MariaDB, such as `0-1-5,1-101-13`: the last transaction of each domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spool.errors import SettingsError

_GTID = re.compile(r"(\d{1,10})-(\d{1,10})-(\d{1,20})\Z")


@dataclass(frozen=True)
class GtidPosition:
    """`domains`: (server, number of the transaction) by domain. https://mariadb.com/kb/en/gtid/"""

    domains: Mapping[int, tuple[int, int]]

    @classmethod
    def parse(cls, text: str) -> GtidPosition:
        """The empty text is the position before the first transaction. SettingsError for what is none."""
        domains: dict[int, tuple[int, int]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            if not (match := _GTID.match(part)):
                raise SettingsError(f"{text!a} is no GTID position of MariaDB", hint="as SELECT @@gtid_binlog_pos")
            domain, server, number = map(int, match.groups())
            domains[domain] = (server, number)
        return cls(domains)

    def __str__(self) -> str:
        return ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in sorted(self.domains.items()))

    def after(self, domain: int, server: int, number: int) -> GtidPosition:
        """The position when that transaction has ended."""
        return GtidPosition({**self.domains, domain: (server, number)})

    def reaches(self, other: GtidPosition) -> bool:
        """Whether all of `other` has happened here."""
        return not self.behind(other)

    def behind(self, other: GtidPosition) -> int:
        """How many transactions are missing to `other`, in all domains together."""
        return sum(
            max(0, number - self.domains.get(domain, (0, 0))[1]) for domain, (_, number) in other.domains.items()
        )
