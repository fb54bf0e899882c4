"""
A health check for components that serve no port: `python -m stack.image.beats dag_processor|triggerer|shipper`.

Exit code 0 while the component's last heartbeat is recent: for Airflow's components the api-server knows, for the
shipper its heartbeat file in the spool folder does.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

MONITOR = "http://airflow-api-server:8080/api/v2/monitor/health"


def beats(component: str) -> bool:
    """Whether `component` gave a sign of life within its own limit; False when nobody can say."""
    if component == "shipper":
        from spool.shipping.ship_lock import somebody_ships

        return somebody_ships(Path(os.environ["SPOOL_FOLDER"]))
    try:
        with urllib.request.urlopen(MONITOR, timeout=8) as response:
            return bool(json.load(response)[component]["status"] == "healthy")
    except (OSError, ValueError, KeyError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(0 if beats(sys.argv[1]) else 1)
