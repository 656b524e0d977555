"""The agent as a VM gets it: the modules of shared/onvm/agent in one executable file, a Python zipapp (PEP 441)."""

import io
import zipfile
from functools import cache
from pathlib import Path

PACKAGE = "shared/onvm/agent"

# -I: neither the environment nor the working directory nor a user's site-packages decide what root imports. Even then
# Python puts the zip itself first on sys.path (Modules/main.c, pymain_run_python; tried with 3.10 to 3.13).
SHEBANG = b"#!/usr/bin/python3 -I\n"
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold; a file's own date would change the bytes


@cache
def agent_bytes() -> bytes:
    """The agent's file: a pure function of its sources, so that every worker sends the same customData and a VM can
    tell our agent by its digest. Built at the first call of a process, in memory: the deployment is read-only.

    Entries are stored, not compressed: customData compresses the whole at once, which makes it a third smaller than
    a zip of compressed entries, and the bytes do not depend on the version of zlib.
    """
    file = io.BytesIO()
    file.write(SHEBANG)
    with zipfile.ZipFile(file, "w") as archive:
        for name, source in sorted(_entries().items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, source, zipfile.ZIP_STORED)
    return file.getvalue()


def _entries() -> dict[str, bytes]:
    folder = Path(__file__).parent / "agent"
    entries = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in folder.glob("[!._]*.py")}
    entries[f"{PACKAGE}/__init__.py"] = (folder / "__init__.py").read_bytes()
    entries["__main__.py"] = (folder / "__main__.py").read_bytes()
    # zipimport knows no package without this file; the parents' own contents are nothing a VM needs
    entries["shared/__init__.py"] = entries["shared/onvm/__init__.py"] = b""
    return entries
