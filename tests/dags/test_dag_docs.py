"""docs/DAGs.md says what the DAGs say."""

import pytest

from plugins import dag_docs

pytestmark = pytest.mark.dags


def test_the_page_is_what_the_dags_say(dags):
    assert dag_docs.PAGE.read_text(encoding="utf-8") == dag_docs.render(dags), "run `make dag-docs`"


def test_the_check_fails_on_a_stale_page_and_says_what_to_do(dags, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dag_docs, "load_dags", lambda: {dag.dag_id: dag for dag in dags})
    monkeypatch.setattr(dag_docs, "PAGE", tmp_path / "DAGs.md")
    dag_docs.PAGE.write_text("old")
    assert dag_docs.main(["--check"]) == 1
    assert "make dag-docs" in capsys.readouterr().err
    assert dag_docs.PAGE.read_text() == "old"


def test_every_document_that_a_manual_names_exists(dags):
    import re

    for dag in dags:
        for name in re.findall(r"docs/[\w/.-]+\.md", dag.doc_md):
            assert (dag_docs.REPOSITORY / name).exists(), f"{dag.dag_id} names {name}"
