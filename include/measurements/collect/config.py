"""
The hosts of `config/collectors.yml` as frozen values.

Values end up as arguments of ssh and rsync, and some in one string that rsync splits again. So each is matched
against what it may be, letter by letter; what could be read as an option or as two words is refused, naming file
and key. `${NAME}` and `${NAME:-default}` are replaced from the environment before that: ports and paths of a machine
are no part of the code base.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from spool import config_file
from spool.config_file import Block, Each, Key, OneOf

DEFAULT_FILE = Path(__file__).parents[3] / "config" / "collectors.yml"
FORMAT_VERSION = 1
COLLECTORS_MAX = 1000

COLLECTOR_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,47}\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_HOST = re.compile(r"(?!.{254})([A-Za-z0-9][A-Za-z0-9.-]*|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)\Z")
_PATH = re.compile(r"(?!.*/\.\.(/|\Z))/[A-Za-z0-9_./+@-]*\Z")
_DIRECTORY = re.compile(r"(?!outgoing(/|\Z))[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*\Z")


@dataclass(frozen=True)
class _AnySource(Block):
    """What every block may say."""

    forget_after_days: Annotated[
        float, Key("proven files stay at the host this long", "days", at_least=0, at_most=3650)
    ] = 7.0
    timeout_s: Annotated[int, Key("limit of one transfer", "s", at_least=1, at_most=86_400)] = 3600


@dataclass(frozen=True, kw_only=True)
class SshHost(_AnySource):
    """Files of a host behind its gate; `key` and `known_hosts` are paths on this machine."""

    transport: Annotated[
        Literal["rsync", "announced"],
        Key("`rsync` pulls through the host's gate; `announced` pulls only the batches that the host announced"),
    ] = "rsync"
    host: Annotated[str, Key("host name or address for ssh", pattern=_HOST, what="a host name or address")]
    user: Annotated[str, Key("user for ssh", pattern=_USER, what="a user name")]
    port: Annotated[int, Key("port of sshd", at_least=1, at_most=65_535)] = 22
    key: Annotated[Path, Key("private key, an absolute path on this machine", pattern=_PATH, what="an absolute path")]
    known_hosts: Annotated[
        Path, Key("known host keys, an absolute path on this machine", pattern=_PATH, what="an absolute path")
    ]
    directories: Annotated[
        tuple[Annotated[str, Key(pattern=_DIRECTORY, what="a directory below the host folder")], ...],
        Key("directories below the host folder of the gate, such as `bouncer-nkvphnp3p6agi5qq/archive`", items=1),
    ]
    quiet_s: Annotated[
        int, Key("a file must be unchanged this long before it is collected", "s", at_least=0, at_most=86_400)
    ] = 120


@dataclass(frozen=True, kw_only=True)
class LocalFolder(_AnySource):
    """Batches that others put into a folder of this machine."""

    transport: Annotated[Literal["drop_folder"], Key("batches that others put into `folder` on this machine")]
    folder: Annotated[Path, Key("the folder, an absolute path", pattern=_PATH, what="an absolute path")]


Source = SshHost | LocalFolder


class Collector(NamedTuple):
    """One source of files, and what it is called here: a folder below every state, so it never changes."""

    id: str
    source: Source


@dataclass(frozen=True)
class CollectorsFile(Block):
    """The whole of `config/collectors.yml`."""

    collectors: Annotated[
        Mapping[str, Annotated[SshHost | LocalFolder, OneOf("transport", default="rsync")]],
        Each(COLLECTOR_ID, "lower-case letters, digits and _", "hosts by name", at_least=0, at_most=COLLECTORS_MAX),
    ]


def load(path: Path = DEFAULT_FILE, environment: Mapping[str, str] = os.environ) -> dict[str, Collector]:
    """Read and check the file; SettingsError names the file, the path of keys and the line."""
    file = config_file.load(
        path,
        CollectorsFile,
        version=FORMAT_VERSION,
        environment=environment,
        hint="see include/measurements/collect/README.md",
    )
    return {name: Collector(name, source) for name, source in file.collectors.items()}
