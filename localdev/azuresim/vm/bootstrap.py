#!/usr/bin/env python3
"""Stand-in for TLJH's bootstrap.py on a simulated VM.

The install itself (recorded lines, TLJH's files, the real JupyterHub) is played by the simulator; this file only
asks for it with the arguments it was given.  On a real machine it does nothing and says so.
"""

import os
import sys

PROGRAM = "tljh-bootstrap"

if __name__ == "__main__":
    try:
        os.execvp(PROGRAM, [PROGRAM, *sys.argv[1:]])  # noqa: S606 - the simulator's own program, an argument list
    except FileNotFoundError:
        sys.exit("This bootstrap.py installs nothing: it belongs to a simulated VM.")
