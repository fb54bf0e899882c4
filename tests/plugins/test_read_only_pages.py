"""Pages of users who may only read: without the controls that the server would refuse, else as Airflow made them."""

import asyncio
import json

import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from plugins.ui.read_only_controls import style_sheet
from plugins.ui.read_only_pages import ReadOnlyPages, airflow_styles, token_may_trigger

pytestmark = pytest.mark.dags

PAGE = "<html><head><title>Airflow</title></head><body>" + "x" * 2000 + "</body></html>"
STYLES = "button { display: none; } /* Löschen */"
BROWSER = {"accept": "text/html,application/xhtml+xml", "accept-encoding": "gzip", "cookie": "a=1; _token=reader"}


async def may_act(token):
    return token != "reader"


@pytest.fixture(scope="module")
def client():
    routes = [
        Route("/dags/{path:path}", lambda request: HTMLResponse(PAGE)),
        Route("/api/v2/dags", lambda request: JSONResponse({"html": PAGE})),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(ReadOnlyPages, may_act=may_act, styles=lambda: STYLES)
    with TestClient(app) as client:
        yield client


def test_a_reader_gets_the_page_with_the_styles_and_the_right_length(client):
    answer = client.get("/dags/spool_rewind", headers=BROWSER)
    assert answer.text == PAGE.replace("</head>", f"<style>{STYLES}</style></head>")
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(BROWSER | {"cookie": "_token=operator"}, id="one who may act"),
        pytest.param(BROWSER | {"cookie": "other=reader"}, id="one who is not logged in"),
        pytest.param(BROWSER | {"cookie": "_token="}, id="one who has logged out"),
    ],
)
def test_others_get_the_page_as_it_is(client, headers):
    answer = client.get("/dags/spool_rewind", headers=headers)
    assert answer.text == PAGE
    assert answer.headers["content-encoding"] == "gzip"


def test_what_is_no_page_stays_as_it_is(client):
    assert client.get("/api/v2/dags", headers=BROWSER | {"accept": "application/json"}).json() == {"html": PAGE}
    assert client.get("/api/v2/dags", headers=BROWSER).json() == {"html": PAGE}


class Manager:
    """An auth manager that knows one user, who may do what `allowed` says."""

    def __init__(self, allowed):
        self.allowed = allowed

    async def get_user_from_token(self, token):
        if token != "known":
            raise ValueError("a token of nobody")
        return "user"

    def is_authorized_dag(self, *, method, access_entity, user):
        assert (method, access_entity.name, user) == ("POST", "RUN", "user")
        return self.allowed


@pytest.mark.parametrize(
    ("token", "allowed", "acts"),
    [
        pytest.param("known", True, True, id="one who may trigger"),
        pytest.param("known", False, False, id="one who may not"),
        pytest.param("expired", False, True, id="a token that is not valid: Airflow asks its owner to log in"),
    ],
)
def test_the_auth_manager_says_who_may_act(monkeypatch, token, allowed, acts):
    monkeypatch.setattr("airflow.api_fastapi.app.get_auth_manager", lambda: Manager(allowed))
    assert asyncio.run(token_may_trigger(token)) is acts


def translation(folder, language, words):
    """`words`: namespace -> nested words"""
    for namespace in ("common", "components", "browse", "dags"):
        path = folder / language / f"{namespace}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(words.get(namespace, {})))


def english():
    action = {"button": "Do {{type}}"}
    with_tooltip = action | {"buttonTooltip": "Press shift+c"}
    return {
        "common": {"dagRun_one": "Run", "nav": {"admin": "Admin"}, "note": {"add": "Add", "edit": "Edit"}},
        "components": {"reparseDag": "Reparse"},
        "browse": {"xcom": {"delete": {"title": "Delete XCom"}, "edit": {"title": "Edit XCom"}}},
        "dags": {
            "dagActions": {"delete": {"button": 'Delete "Dag"'}},
            "runAndTaskActions": {
                "clear": with_tooltip, "clearAllMapped": with_tooltip, "delete": action, "markAs": action,
            },
        },
    }  # fmt: skip


def test_labels_are_hidden_in_every_language_that_airflow_has(tmp_path):
    translation(tmp_path, "en", english())
    translation(tmp_path, "de", {"components": {"reparseDag": "Dag neu parsen"}})
    styles = style_sheet(tmp_path)
    for label in ('"Reparse"', '"Dag neu parsen"', '"Do Run"', r'"Delete \"Dag\""'):
        assert f"button[aria-label={label}] {{ display: none !important; }}" in styles


def test_a_label_that_airflow_has_no_more_is_reported(tmp_path):
    words = english()
    del words["dags"]["dagActions"]
    translation(tmp_path, "en", words)
    with pytest.raises(KeyError, match=r"dagActions\.delete\.button"):
        style_sheet(tmp_path)


def test_the_installed_airflow_has_every_label():
    styles = airflow_styles()
    for label in ("Delete Dag", "Clear Task Instance", "Mark Dag Run as...", "Dag löschen"):
        assert f'"{label}"' in styles
