"""
The typed loader of every YAML file below `config/`.

A feature describes its file as frozen dataclasses that inherit from `Block`; each field carries a `Key` with its
meaning, unit and limits. The same description checks the file (`load`), writes the JSON Schema that editors use
(`json_schema`) and fills `docs/settings.md`. pydantic does the checking and is imported by the first `load`, not here:
a command that reads no file does not pay for it.
"""

from spool.config_file.keys import Block, Each, Key, OneOf, WrongKey
from spool.config_file.loader import check, load, refusal

__all__ = ["Block", "Each", "Key", "OneOf", "WrongKey", "check", "load", "refusal"]
