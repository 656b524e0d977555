"""Our services in the hub's configuration: a token file and a snippet each."""

from pathlib import Path
from typing import Any

from shared.onvm.agent.checks import RE_SCOPE, RE_SERVICE, RE_TOKEN, text, texts
from shared.onvm.agent.files import read_capped, wipe, write_atomically
from shared.onvm.agent.tljh import TljhConfig
from shared.onvm.agent.vm import SNIPPETS, token_file


def snippet_file(service: str) -> Path:
    return SNIPPETS / f"50-{service}.py"


def snippet(service: str, scopes: list[str]) -> bytes:
    """Appends; assigning `c.JupyterHub.services` would silently remove TLJH's idle culler. The token stays apart, in
    a file of its own, so that the configuration can be shown to somebody."""
    # repr() of str is a Python literal for every string there is; the names and scopes are checked besides.
    return (
        f"# Written by Hublet: lets the service {service!r} use JupyterHub's API.\n"
        f"with open({str(token_file(service))!r}) as token_file:\n"
        f'    c.JupyterHub.services.append({{"name": {service!r}, "api_token": token_file.read().strip()}})\n'
        "c.JupyterHub.load_roles.append(\n"
        f'    {{"name": {service!r}, "services": [{service!r}], "scopes": {scopes!r}}}\n'
        ")\n"
    ).encode()


def service_files(service: dict[str, Any]) -> dict[Path, bytes]:
    name, token = text(service, "name", RE_SERVICE), text(service, "token", RE_TOKEN)
    scopes = texts(service, "scopes", RE_SCOPE)
    return {token_file(name): f"{token}\n".encode(), snippet_file(name): snippet(name, scopes)}


def write_service(config: TljhConfig, name: str, files: dict[Path, bytes]) -> None:
    for path, content in files.items():
        if read_capped(path, len(content) + 1) != content:
            config.owe(f"services:{name}")
            write_atomically(path, content)


def remove_service(config: TljhConfig, name: str) -> None:
    for path in (snippet_file(name), token_file(name)):
        if path.exists():
            config.owe(f"services:{name}")
            wipe(path)
