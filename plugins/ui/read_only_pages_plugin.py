"""The plugin that Airflow loads; what it does is in plugins/ui/read_only_pages.py."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from plugins.ui.read_only_pages import ReadOnlyPages


class ReadOnlyPagesPlugin(AirflowPlugin):
    name = "read_only_pages"
    fastapi_root_middlewares = [  # noqa: RUF012  - the attribute's type is Airflow's
        {"middleware": ReadOnlyPages, "args": [], "kwargs": {}, "name": "pages without what their user may not do"}
    ]
