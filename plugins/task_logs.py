"""
Where Airflow finds the logs of tasks: in the object store, and, while that does not answer, on the local disk.

[logging] logging_config_class names this module; Airflow takes LOGGING_CONFIG and REMOTE_TASK_LOG from it. Left to
itself, it answers every look at a log with an error as long as the object store is away, which is just when people
look. A log that was uploaded is no longer on the local disk; of such a one only the line that says why is shown.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.configuration import conf
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO
from botocore.config import Config

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG
DEFAULT_REMOTE_CONN_ID = "aws_logs"
# A person waits for the page. Botocore's own limits are five tries of a minute each.
PATIENCE = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})


class StoredOrLocalLogs(S3RemoteLogIO):
    """Logs in the object store; `read` never raises because of it, and gives up within a minute."""

    @cached_property
    def hook(self) -> S3Hook:
        return S3Hook(
            aws_conn_id=conf.get("logging", "remote_log_conn_id"),
            transfer_config_args={"use_threads": False, "preferred_transfer_client": "classic"},
            config=PATIENCE,
        )

    def read(
        self, relative_path: str, ti: RuntimeTaskInstanceProtocol | None = None
    ) -> tuple[list[str], list[str] | None]:
        """(sources, logs), as Airflow asks for them."""
        try:
            sources, logs = super().read(relative_path, ti)
        except Exception as error:  # noqa: BLE001  - whatever the client raises, the page is shown
            return self._read_local(relative_path, error)
        return sources, logs

    def _read_local(self, relative_path: str, error: Exception) -> tuple[list[str], list[str]]:
        path = Path(self.base_log_folder) / relative_path
        # The triggerer's part of a log is beside it, under a longer name.
        files = sorted(entry for entry in path.parent.glob(f"{path.name}*") if entry.is_file() and entry.stat().st_size)
        line = (
            f"The object store does not answer ({type(error).__name__}: {error}). "
            + ("What follows is on the local disk." if files else "This log is in it, or was never written.")
            + " What to do: see that the object store runs, then load this page again."
        )
        return [str(file) for file in files], [line, *(file.read_text(errors="replace") for file in files)]


def _remote_logs() -> StoredOrLocalLogs | None:
    """None where [logging] remote_logging is off."""
    if not conf.getboolean("logging", "remote_logging", fallback=False):
        return None
    logs = StoredOrLocalLogs.from_config()
    assert isinstance(logs, StoredOrLocalLogs)
    return logs


REMOTE_TASK_LOG = _remote_logs()
