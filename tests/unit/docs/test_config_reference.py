"""docs/settings.md and the schemas are what the descriptions of the files say; the files fit their schemas."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from include.config_reference import DEPLOYMENT, FILES, main, outputs

CONFIG = DEPLOYMENT / "config"


def test_every_file_of_config_has_a_description():
    assert {file.name for file in FILES} == {path.stem for path in CONFIG.glob("*.yml")}


@pytest.mark.parametrize("path", list(outputs()), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == outputs()[path]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_fits_its_schema_and_names_it_for_editors(file):
    text = (CONFIG / f"{file.name}.yml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema=schemas/{file.name}.json\n")
    schema = json.loads((CONFIG / "schemas" / f"{file.name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("spool", "streams: {events: {topic: t, partitons: 3}}"),
        ("spool", "streams: {events: {topic: t, partitions: 0}}"),
        ("collectors", "collectors: {north: {transport: drop_folder, folder: relative}}"),
        ("collectors", "collectors: {north: {transport: ftp}}"),
        ("sanitize", "gzip_level: 10"),
    ],
)
def test_a_schema_refuses_what_the_loader_refuses(name: str, wrong: str) -> None:
    schema = json.loads((CONFIG / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    document = {**yaml.safe_load((CONFIG / f"{name}.yml").read_text(encoding="utf-8")), **yaml.safe_load(wrong)}
    assert not jsonschema.Draft202012Validator(schema).is_valid(document)


def test_a_page_that_is_not_up_to_date_fails_the_check(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr("include.config_reference.DEPLOYMENT", tmp_path)
    assert main(["--check"]) == 1
    assert "docs/settings.md is not up to date" in capsys.readouterr().err
    (tmp_path / "config").mkdir()
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_key_says_what_it_means(file):
    def unexplained(node, path=""):
        for key, described in node.get("properties", {}).items():
            if "description" not in described:
                yield f"{path}{key}"
            yield from unexplained(described.get("additionalProperties") or {}, f"{path}{key}.")

    schema = file.schema()
    blocks = [schema, *schema.get("$defs", {}).values()]
    assert [key for block in blocks for key in unexplained(block)] == []
