"""A health check, as the image has no curl: `python -m stack.image.answers URL`; exit code 0 where it answers 2xx."""

from __future__ import annotations

import sys

from stack.probes import http_ok

if __name__ == "__main__":
    sys.exit(0 if http_ok(sys.argv[1], timeout_s=8) else 1)
