"""`python -m fbgmm`: the command `fbgmm`."""

import sys

from .cli.arguments import main

if __name__ == "__main__":
    sys.exit(main())
