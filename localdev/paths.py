"""Where things are in a checkout. `.localdev` and `.venv` are made by the tools and never committed."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".localdev"
RUN = STATE / "run"
SESSION = STATE / "session.json"
HUBENV = STATE / "hubenv"
HUBENV_LOCK = ROOT / "localdev" / "hubenv" / "requirements.txt"
NODE_PARTS = ROOT / "localdev" / "node"
NODE_MODULES = NODE_PARTS / "node_modules"
NODE_LOCK = NODE_PARTS / "package-lock.json"
NODE_ENV = STATE / "node"
NODE_ENV_LOCK = NODE_PARTS / "requirements.txt"
CARDS_PARTS = ROOT / "localdev" / "cards"
CARDS_MODULES = CARDS_PARTS / "node_modules"
CARDS_LOCK = CARDS_PARTS / "package-lock.json"
CARDS_RENDERER = CARDS_PARTS / "render.cjs"
MUTATION = STATE / "mutation"
MUTATION_LOCK = ROOT / "localdev" / "mutation" / "requirements.txt"
VENV = ROOT / ".venv"
VENV_LOCK = ROOT / "requirements-dev.txt"
STAMP = ".hublet-lock"
"""Inside each installed environment: a copy of the lock file it was made from. `./dev` compares it too."""

DEFAULT_PORT = 7071
"""The API's port, as with `func start`."""
