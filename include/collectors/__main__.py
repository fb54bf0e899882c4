"""`python -m include.collectors`: the former name of `python -m include.measurements.collect`, kept for scripts."""

import sys

from include.measurements.collect.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
