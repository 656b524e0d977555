"""`./dev lock`: writes every lock file anew from what it was made of."""

import shutil
import subprocess
import sys

from localdev import paths
from localdev.setup import SetupFailed, ensure_node_parts

_UV = "uv==0.13.9"
"""Resolves for all platforms at once and writes hashes; pinned so that two machines write the same files."""

# Run-time first: the development lock is constrained by it.
_LOCKS = (
    (paths.ROOT / "requirements.in", paths.ROOT / "requirements.txt"),
    (paths.ROOT / "requirements-dev.in", paths.VENV_LOCK),
    (paths.HUBENV_LOCK.with_suffix(".in"), paths.HUBENV_LOCK),
    (paths.MUTATION_LOCK.with_suffix(".in"), paths.MUTATION_LOCK),
    (paths.NODE_ENV_LOCK.with_suffix(".in"), paths.NODE_ENV_LOCK),
)


def relock() -> int:
    """Existing pins stay where they still fit; delete a lock file first to move everything. Raises SetupFailed."""
    tool = paths.STATE / "lock"
    _run([sys.executable, "-m", "venv", str(tool)])
    _run([str(tool / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _UV])
    options = ["--universal", "--generate-hashes", "--no-header", "--quiet", "--python-version", "3.13"]
    for source, lock in _LOCKS:
        names = [str(path.relative_to(paths.ROOT)) for path in (source, lock)]
        print(f"lock: {names[1]}")
        _run([str(tool / "bin" / "uv"), "pip", "compile", *options, names[0], "--output-file", names[1]])
    parts = ensure_node_parts()
    npm = shutil.which("npm", path=parts.search_path()) or "npm"
    options = ["--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund"]
    for folder in (paths.NODE_PARTS, paths.CARDS_PARTS):
        print(f"lock: {(folder / 'package-lock.json').relative_to(paths.ROOT)}")
        _run([npm, "install", *options, "--prefix", str(folder)])
    return 0


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, cwd=paths.ROOT, check=False)
    if done.returncode != 0:
        raise SetupFailed(f"`{' '.join(argv)}` failed with code {done.returncode}")
