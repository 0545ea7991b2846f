"""`python -m station` is the command `joulepost`."""

import sys

from station.cli import main

if __name__ == "__main__":
    sys.exit(main())
