"""
What is generated from the descriptions of the files of `config/`: `config/schemas/*.json` and `docs/settings.md`.

    python -m include.config_reference           write them
    python -m include.config_reference --check   exit code 1 when one of them is not up to date

A new file of `config/` is one line in FILES.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from include.log_files import config as log_files
from include.measurements import config as measurements
from include.measurements.collect import config as collect
from include.measurements.sanitize import config as sanitize
from include.warehouse import config as warehouse
from spool import settings
from spool.config_file.schema import json_schema

DEPLOYMENT = Path(__file__).parent.parent


class ConfigFile(NamedTuple):
    """A file of `config/`: `kind` describes it, `about` is its sentence in docs/settings.md."""

    name: str
    kind: type[Any]
    version: int
    about: str
    variables: bool = False

    def schema(self) -> dict[str, Any]:
        title = f"config/{self.name}.yml"
        return json_schema(self.kind, title=title, version=self.version, variables=self.variables)


FILES = (
    ConfigFile("spool", settings.Settings, settings.FORMAT_VERSION, "The streams of the spool and their limits."),
    ConfigFile(
        "collectors",
        collect.CollectorsFile,
        collect.FORMAT_VERSION,
        "The hosts that record measurement reports. `${NAME}` and `${NAME:-default}` come from the environment.",
        variables=True,
    ),
    ConfigFile(
        "sanitize", sanitize.SanitizeSettings, sanitize.FORMAT_VERSION, "How measurement reports are sanitized."
    ),
    ConfigFile(
        "measurements",
        measurements.MeasurementSettings,
        measurements.FORMAT_VERSION,
        "Import of measurement reports, the table of blocked bridges, the mirror.",
    ),
    ConfigFile(
        "log_files", log_files.LogFilesFile, log_files.FORMAT_VERSION, "The log files that may be taken in as events."
    ),
    ConfigFile(
        "warehouse",
        warehouse.WarehouseFile,
        warehouse.FORMAT_VERSION,
        "The tables of MariaDB that are copied into the warehouse. `${NAME}` and `${NAME:-default}` come from the "
        "environment.",
        variables=True,
    ),
)

_HEAD = """# Settings

Every key of every file in `config/`. This page and `config/schemas/*.json` are generated: `make config-docs` writes
them, `make lint` compares them. Each file is checked as a whole when it is loaded; an error names the file, the path
of keys and the line:

    config/spool.yml: streams.events.partitions: expected int, is 'four' (line 14)

Unknown keys and duplicate keys are refused. Hosts, paths and credentials of the engine are never in a file:
[`.env.example`](../.env.example) lists the variables. Every file begins with `version: 1`, the format of the file.
"""

_FOOT = """
## What `acknowledgement: s3` costs

Every seal is one object. A busy `s3` stream seals at most every `seal_gap_s`: 0.5 s is 172,800 puts a day, about one
US dollar for each stream and day at 5 dollars a million; 2 s is 43,200. A `disk` stream with `seal_age_s: 60` makes at
most 1,440 objects a day. The shipper warns above 50,000 objects a day.
"""


def outputs() -> dict[Path, str]:
    """Path in the deployment -> what it should contain."""
    schemas = {
        DEPLOYMENT / "config" / "schemas" / f"{file.name}.json": json.dumps(file.schema(), indent=2) + "\n"
        for file in FILES
    }
    return {**schemas, DEPLOYMENT / "docs" / "settings.md": settings_page()}


def settings_page() -> str:
    return _HEAD + "".join(_section(file) for file in FILES) + _FOOT


def _section(file: ConfigFile) -> str:
    schema = file.schema()
    rows = "\n".join(_rows(schema, schema, ""))
    table = f"| key | type | unit | default | meaning |\n|---|---|---|---|---|\n{rows}\n"
    return f"\n## `config/{file.name}.yml`\n\n{file.about}\n\n{table}"


def _rows(schema: dict[str, Any], block: dict[str, Any], path: str) -> list[str]:
    rows: list[str] = []
    required = block.get("required", ())
    for key, described in block["properties"].items():
        if "oneOf" in described:
            for choice in described["oneOf"]:
                rows += _rows(schema, _resolved(schema, choice), f"{path}{key}.")
            continue
        rows.append(_row(f"{path}{key}", described, required=key in required))
        inner = described.get("additionalProperties", {})
        for choice in inner.get("oneOf", [inner]):
            named = _resolved(schema, choice)
            rows += _rows(schema, named, f"{path}{key}.<name>.") if "properties" in named else []
    return list(dict.fromkeys(rows))  # blocks of one union share keys


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = schema["$defs"][node["$ref"].split("/")[-1]] if "$ref" in node else node
    return resolved


def _row(path: str, described: dict[str, Any], *, required: bool) -> str:
    value = _without_variable(described)
    default = "required" if required else _code(json.dumps(described.get("default")))
    return f"| `{path}` | {_type(value)} | {value.get('x-unit', '')} | {default} | {described.get('description', '')} |"


def _without_variable(value: dict[str, Any]) -> dict[str, Any]:
    """What a value is where it is written out: the first alternative; the other one is a `${NAME}`."""
    alternatives: list[dict[str, Any]] = value.get("anyOf", [value])
    return alternatives[0]


def _type(value: dict[str, Any]) -> str:
    if "const" in value or "enum" in value:
        return ", ".join(_code(str(choice)) for choice in value.get("enum", [value.get("const")]))
    if value["type"] in ("integer", "number"):
        return {"integer": "int", "number": "number"}[value["type"]] + _limits(value)
    if value["type"] == "array":
        return f"list of {_type(_without_variable(value['items']))}"
    return {"string": "text", "boolean": "true, false", "object": "mapping"}[value["type"]]


def _limits(value: dict[str, Any]) -> str:
    if "minimum" in value and "maximum" in value:
        return f", {value['minimum']:,} to {value['maximum']:,}"
    words = {"exclusiveMinimum": "above", "minimum": "at least", "maximum": "at most"}
    return "".join(f", {word} {value[limit]:,}" for limit, word in words.items() if limit in value)


def _code(text: str) -> str:
    return f"`{text.strip(chr(34))}`"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.config_reference")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    options = parser.parse_args(arguments)
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path.relative_to(DEPLOYMENT)} is not up to date: run `make config-docs`\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(outputs()[path], encoding="utf-8")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
