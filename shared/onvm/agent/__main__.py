"""Where the agent starts: in the repository with `python -m shared.onvm.agent`, on a VM as the bundle's first file."""

import sys

from shared.onvm.agent.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
