"""`python -m localdev`, which is what `./dev` runs."""

import sys

from localdev.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
