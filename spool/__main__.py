"""`python -m spool`: see `spool/cli`."""

import sys

from spool.cli import main

if __name__ == "__main__":
    sys.exit(main())
