"""`python -m include.sanitize`: the former name of `python -m include.measurements.sanitize`, kept for scripts."""

import sys

from include.measurements.sanitize.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
