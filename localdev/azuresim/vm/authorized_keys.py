"""Reads ``authorized_keys`` as OpenSSH does and says it in asyncssh's dialect.

Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".  asyncssh has no ``restrict`` and drops the caller's original command
when one is forced, so both are translated: ``restrict`` becomes the ``no-...`` options it stands for, and ``command=``
an option of our own that the server reads itself.
"""

import asyncssh

RESTRICTED = ("port-forwarding", "agent-forwarding", "X11-forwarding", "pty", "user-rc")
FORCED = "hublet-forced-command"


def split_options(line: str) -> tuple[list[tuple[str, str | None]], str]:
    """The options before the key (name, value) and the key itself; no options when the line begins with the key.

    Raises ValueError for unbalanced quotes.
    """
    if line.split(None, 1)[0].startswith(("ssh-", "ecdsa-", "sk-")):
        return [], line
    options: list[tuple[str, str | None]] = []
    word, quoted, position = "", False, 0
    while position < len(line):
        char = line[position]
        if char == "\\" and quoted and line[position + 1 : position + 2] == '"':
            word += '\\"'
            position += 2
            continue
        if char == '"':
            quoted = not quoted
            word += char
        elif not quoted and char in ", \t":
            options.append(_option(word))
            word = ""
            if char != ",":
                break
        else:
            word += char
        position += 1
    if quoted:
        raise ValueError("unbalanced quote in options")
    return options, line[position:].strip()


def _option(word: str) -> tuple[str, str | None]:
    name, has_value, value = word.partition("=")
    if not has_value:
        return name.lower(), None
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1].replace('\\"', '"')
    return name.lower(), value


def translate(line: str) -> str:
    """One line in asyncssh's dialect.  Raises ValueError for options OpenSSH would refuse the line for."""
    options, key = split_options(line)
    if not key:
        raise ValueError("no key")
    denied: set[str] = set()
    kept: list[str] = []
    for name, value in options:
        canonical = {option.lower(): option for option in RESTRICTED}
        if name == "restrict":
            denied |= set(RESTRICTED)
        elif name in canonical and value is None:
            denied.discard(canonical[name])
        elif name.startswith("no-") and name[3:] in canonical:
            denied.add(canonical[name[3:]])
        elif name == "command" and value is not None:
            kept.append(f"{FORCED}={_quote(value)}")
        elif name in ("permitopen", "from", "environment") and value is not None:
            kept.append(f"{name}={_quote(value)}")
        else:
            raise ValueError(f"unknown option {name}")
    kept += [f"no-{name}" for name in sorted(denied)]
    return f"{','.join(kept)} {key}" if kept else key


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def load(text: str) -> asyncssh.SSHAuthorizedKeys | None:
    """The usable lines of a file; lines with errors are ignored as sshd does.  None when no line is usable."""
    usable: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            translated = translate(line)
            asyncssh.import_authorized_keys(translated)
        except (ValueError, asyncssh.KeyImportError):
            continue
        usable.append(translated)
    return asyncssh.import_authorized_keys("\n".join(usable)) if usable else None
