"""
Airflow's pages for users who may only read: without the controls that the server would refuse.

This is a courtesy, not a guard. The server checks every request, whatever the page shows.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from plugins.ui.read_only_controls import style_sheet

LOGGER = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

COOKIE = "_token"


class ReadOnlyPages:
    """ASGI: puts the style sheet into each page that a user who may not act asks for; passes everything else on."""

    def __init__(
        self,
        app: Application,
        may_act: Callable[[str], Awaitable[bool]] | None = None,
        styles: Callable[[], str] | None = None,
    ) -> None:
        """`may_act` is asked with the user's token; by default Airflow's auth manager answers."""
        self._app, self._may_act, self._styles = app, may_act or token_may_trigger, styles or airflow_styles

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        token = _token_of_page(scope)
        if token is None or await self._may_act(token):
            await self._app(scope, receive, send)
        else:
            page = _Page(send, self._styles().encode())
            await self._app(_uncompressed(scope), receive, page.send)


class _Page:
    """Holds a page back until it is complete, since its length is sent first."""

    def __init__(self, send: Send, styles: bytes) -> None:
        self._send, self._styles = send, styles
        self._start: Message = {}
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish()

    async def _finish(self) -> None:
        headers = dict(self._start["headers"])
        if headers.get(b"content-type", b"").startswith(b"text/html"):
            self._body = self._body.replace(b"</head>", b"<style>" + self._styles + b"</style></head>", 1)
            headers[b"content-length"] = str(len(self._body)).encode()
            self._start["headers"] = list(headers.items())
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})


def _token_of_page(scope: Message) -> str | None:
    """The user's token where a browser asks for a page to show; the API and its files are none."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if b"text/html" not in headers.get(b"accept", b""):
        return None
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def _uncompressed(scope: Message) -> Message:
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]}


async def token_may_trigger(token: str) -> bool:
    """Whether its user may trigger DAG runs. True for a token that is not valid: Airflow asks its owner to log in."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

    try:
        manager = get_auth_manager()
        user = await manager.get_user_from_token(token)
        return manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, user=user)
    except Exception as error:  # noqa: BLE001  - the page is shown as Airflow made it
        LOGGER.info("a page is shown with all its controls: %s", type(error).__name__)
        return True


@functools.cache
def airflow_styles() -> str:
    """For the pages of the Airflow that is installed."""
    import airflow

    return style_sheet(Path(airflow.__path__[0]) / "ui" / "dist" / "i18n" / "locales")
