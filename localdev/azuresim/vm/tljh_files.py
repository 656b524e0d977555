"""Where TLJH keeps its things, and its config.yaml (source: jupyterhub/the-littlest-jupyterhub, tljh/config.py)."""

from typing import Any

import yaml

from localdev.azuresim.vm.disk import Disk

PREFIX = "/opt/tljh"
LOG = f"{PREFIX}/installer.log"
HUB_PYTHON = f"{PREFIX}/hub/bin/python3"
USER_PYTHON = f"{PREFIX}/user/bin/python"
USER_SITE = f"{PREFIX}/user/lib/python/site-packages"
CONFIG = f"{PREFIX}/config/config.yaml"
SNIPPETS = f"{PREFIX}/config/jupyterhub_config.d"
STATE = f"{PREFIX}/state"
PROXY_SECRET = f"{STATE}/traefik-api.secret"
ACME = f"{STATE}/acme.json"
HUB_CONFIG = f"{PREFIX}/hub/jupyterhub_config.py"
TLJH_CONFIG_LINK = "/usr/bin/tljh-config"


class BadConfig(ValueError):
    """config.yaml is not YAML, or not a mapping."""


def load(disk: Disk, path: str = CONFIG) -> dict[str, Any]:
    """The configuration; empty when there is no file.  Raises `BadConfig`."""
    try:
        found = yaml.safe_load(disk.text(path))
    except yaml.YAMLError as error:
        raise BadConfig(str(error)) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadConfig(f"{path} does not hold a mapping")
    return found


def save(disk: Disk, config: dict[str, Any], path: str = CONFIG) -> None:
    """Write the configuration, 0644 in a 0700 directory as TLJH does."""
    disk.directory(path.rsplit("/", 1)[0], 0o700)
    disk.write(path, dump(config) if config else "", 0o644)


def dump(config: dict[str, Any]) -> str:
    """YAML as TLJH writes it: block style, keys in the order they were set."""
    return yaml.safe_dump(config, default_flow_style=False, sort_keys=False, allow_unicode=True)


def at(config: dict[str, Any], *keys: str, default: Any = None) -> Any:
    """The value under nested keys, or `default`."""
    here: Any = config
    for key in keys:
        if not isinstance(here, dict) or key not in here:
            return default
        here = here[key]
    return here
