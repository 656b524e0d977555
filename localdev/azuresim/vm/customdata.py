"""Reads customData the way cloud-init does: forgiving where it is, silent where it is.

Behaviour follows what cloud-init 22.4 did with our inputs (recorded on a real boot) and its documentation,
https://docs.cloud-init.io/en/latest/reference/modules.html.  Only ``#cloud-config`` documents are played; scripts and
MIME archives are legal on a real VM, but nothing in this project makes them, so they are reported as unhandled.
"""

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

GZIP = b"\x1f\x8b"
DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class UserData:
    """What was understood: the merged configuration and the warnings cloud-init would log."""

    config: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read(data: bytes) -> UserData:
    """Understand customData; never raises.  What cannot be understood is an empty configuration and a warning."""
    if data[:2] == GZIP:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return UserData(warnings=("util.py[WARNING]: Failed to gunzip user-data",))
    text = data.decode(errors="replace")
    if not text.strip():
        return UserData()
    if not text.lstrip().lower().startswith("#cloud-config"):
        head = text[:7].encode().decode("unicode_escape", errors="replace")
        warning = f"__init__.py[WARNING]: Unhandled non-multipart (text/x-not-multipart) userdata: 'b'{head}'...'"
        return UserData(warnings=(warning,))
    empty = "cloud_config.py[WARNING]: Failed at merging in cloud config part from part-001: empty cloud config"
    try:
        config = yaml.safe_load(text.replace("\r\n", "\n"))
    except (yaml.YAMLError, ValueError) as error:
        bad = f'util.py[WARNING]: Failed loading yaml blob. Invalid format: "{error}"'
        return UserData(warnings=(bad, empty))
    if config is None:
        return UserData(warnings=(empty,))
    if not isinstance(config, dict):
        bad = (
            "util.py[WARNING]: Failed loading yaml blob. Yaml load allows (<class 'dict'>,) root types, "
            f"but got {type(config).__name__} instead"
        )
        return UserData(warnings=(bad, empty))
    return UserData(config)


class ModuleFailed(Exception):
    """A cloud-init module stopped at this entry: later entries are not played and the status is `error`."""


@dataclass(frozen=True)
class File:
    """One entry of ``write_files``."""

    path: str
    content: bytes
    mode: int
    owner: str
    append: bool


@dataclass(frozen=True)
class Warned:
    """Something skipped or corrected, with the line cloud-init logs."""

    line: str


def files(config: dict[str, Any], *, deferred: bool) -> Iterator[File | Warned]:
    """The entries of ``write_files`` in order; raises `ModuleFailed` where cloud-init's module would stop."""
    entries = config.get("write_files")
    if not isinstance(entries, list):
        return
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ModuleFailed("'write_files' entry is not a mapping")
        if bool(entry.get("defer", False)) != deferred:
            continue
        path = entry.get("path")
        if not path:
            yield Warned(
                f"cc_write_files.py[WARNING]: No path provided to write for entry {number + 1} in module write-files"
            )
            continue
        mode, warning = _mode(entry.get("permissions"))
        if warning:
            yield Warned(warning)
        content, warning = _content(entry)
        if warning:
            yield Warned(warning)
        yield File(
            str(path), content, mode, str(entry.get("owner", "root:root")), append=bool(entry.get("append", False))
        )


def _mode(given: object) -> tuple[int, str | None]:
    """Modes are octal text; a number is taken as it is (YAML itself reads 0644 as octal)."""
    if given is None:
        return DEFAULT_MODE, None
    if isinstance(given, int) and not isinstance(given, bool):
        return given, None
    try:
        return int(str(given), 8), None
    except ValueError:
        line = f"cc_write_files.py[WARNING]: Undecodable permissions '{given}', returning default 420"
        return DEFAULT_MODE, line


def _content(entry: dict[str, Any]) -> tuple[bytes, str | None]:
    content = entry.get("content", "")
    raw = content if isinstance(content, bytes) else str(content if content is not None else "").encode()
    encoding = str(entry.get("encoding") or "").lower().strip()
    warning = None
    try:
        if encoding in ("gz+base64", "gzip+base64", "gz+b64", "gzip+b64"):
            raw = gzip.decompress(base64.b64decode(raw))
        elif encoding in ("gz", "gzip"):
            raw = gzip.decompress(raw)
        elif encoding in ("b64", "base64"):
            raw = base64.b64decode(raw)
        elif encoding not in ("", "text/plain"):
            warning = f"cc_write_files.py[WARNING]: Unknown encoding type {encoding}, assuming text/plain"
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        raise ModuleFailed(str(error)) from error
    return raw, warning


@dataclass(frozen=True)
class User:
    """One entry of ``users``."""

    name: str
    gecos: str = ""
    shell: str = "/bin/sh"
    sudo: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


DEFAULT_USER = "default"


def users(config: dict[str, Any]) -> Iterator[User | Warned | str]:
    """The accounts to make; the word ``default`` stands for the image's own user (on Azure the osProfile admin).

    Without ``users`` there is only the default user; a list without the word leaves that user out, as cloud-init does.
    """
    given = config.get("users", [DEFAULT_USER])
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",") if name.strip()]
    if isinstance(given, dict):
        given = [
            {"name": name, **value} if isinstance(value, dict) else str(name) for name, value in given.items() if value
        ]
    if not isinstance(given, list):
        yield Warned(
            "ug_util.py[WARNING]: Format for 'users' key must be a comma-separated string or a dictionary or a list "
            f"but found {type(given).__name__}"
        )
        return
    for entry in given:
        if entry == DEFAULT_USER:
            yield DEFAULT_USER
        elif isinstance(entry, str):
            yield User(entry)
        elif isinstance(entry, dict) and entry.get("name"):
            yield User(
                str(entry["name"]),
                gecos=str(entry.get("gecos") or ""),
                shell=str(entry.get("shell") or "/bin/sh"),
                sudo=_texts(entry.get("sudo")),
                keys=_texts(entry.get("ssh_authorized_keys")),
            )


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(str(item) for item in value if item)
    return ()


def commands(config: dict[str, Any]) -> list[list[str] | str]:
    """The entries of ``runcmd``: argument lists, or text for ``/bin/sh``.

    Raises `ModuleFailed` with cloud-init's words for an entry of another type: then *no* entry runs.
    """
    given = config.get("runcmd")
    if given is None:
        return []
    failed = ModuleFailed(f"('runcmd', TypeError(\"Failed to shellify {given!r} into file scripts/runcmd\"))")
    if not isinstance(given, list):
        raise failed
    found: list[list[str] | str] = []
    for entry in given:
        if isinstance(entry, list):
            found.append([str(word) for word in entry])
        elif isinstance(entry, str):
            found.append(entry)
        else:
            raise failed
    return found


HOST_KEY_TYPES = ("rsa", "dsa", "ecdsa", "ed25519")


def host_keys(config: dict[str, Any]) -> dict[str, str]:
    """File name under /etc/ssh -> text, for every key in ``ssh_keys``; empty when there are none."""
    given = config.get("ssh_keys")
    if not isinstance(given, dict):
        return {}
    found = {}
    for kind in HOST_KEY_TYPES:
        for half, suffix in (("private", ""), ("public", ".pub")):
            text = given.get(f"{kind}_{half}")
            if isinstance(text, str):
                found[f"ssh_host_{kind}_key{suffix}"] = text
    return found


def generates_host_keys(config: dict[str, Any]) -> bool:
    """Whether cloud-init makes host keys itself: only when it was given none, and not when told of no type."""
    kinds = config.get("ssh_genkeytypes", ["ed25519"])
    return not isinstance(config.get("ssh_keys"), dict) and bool(kinds)
