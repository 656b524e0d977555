"""The task `configure`."""

import shutil
from typing import Any

from shared.onvm.agent.apt import APT_WAIT_S, apt_to_ourselves
from shared.onvm.agent.checks import RE_ADMIN, RE_APT, RE_MEMORY, RE_PIP, RE_SERVICE, RE_USER, number, text, texts
from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import private_directory, read_json, write_json
from shared.onvm.agent.https import set_https
from shared.onvm.agent.idle import write_idle_rule
from shared.onvm.agent.programs import must_run
from shared.onvm.agent.services import remove_service, service_files, write_service
from shared.onvm.agent.tljh import configuring
from shared.onvm.agent.vm import PACKAGES, ROOT, SNIPPETS, TLJH, at

AUTH_CLASSES = {
    "firstuse": "firstuseauthenticator.FirstUseAuthenticator",
    "native": "nativeauthenticator.NativeAuthenticator",
    "tmp": "tmpauthenticator.TmpAuthenticator",
}


def task_configure(source: dict[str, Any]) -> dict[str, Any]:
    """Makes the hub as asked. The same input again changes nothing and does not reload. People and packages that are
    there but not in the input stay; of our own services exactly the given ones stay."""
    limits = source.get("limits") or {}
    memory = text(limits, "memory", RE_MEMORY) if limits.get("memory") is not None else None
    cpu = number(limits, "cpu", 0.01, 1024) if limits.get("cpu") is not None else None
    rule = source.get("idleRule")
    idle_minutes = number(rule if isinstance(rule, dict) else {}, "minutes", 0.01, 525600)
    admin, users = text(source, "adminUser", RE_ADMIN), texts(source, "users", RE_USER)
    apt, pip = texts(source, "apt", RE_APT), texts(source, "pip", RE_PIP)
    services = {text(service, "name", RE_SERVICE): service_files(service) for service in source.get("services") or []}
    auth = source.get("authType") or "firstuse"
    if auth not in AUTH_CLASSES:
        raise AgentError("BadInput", "authType is none of " + ", ".join(sorted(AUTH_CLASSES)) + ".")

    with configuring() as config:
        for key, limit in (("limits.memory", memory), ("limits.cpu", cpu)):
            if limit is None:
                config.unset(key)
            else:
                config.set(key, limit)
        config.set("services.cull.enabled", False)  # Jupyter's own rule is better: see idle.py
        config.changed += write_idle_rule(idle_minutes)
        if auth != "firstuse" or "auth.type" in config.values:
            config.set("auth.type", AUTH_CLASSES[auth])
        if auth in ("native", "tmp"):  # without it these let nobody in, administrators included
            config.set(f"auth.{AUTH_CLASSES[auth].rpartition('.')[2]}.allow_all", True)
        config.add("users.admin", admin)
        for user in users:
            config.add("users.allowed", user)

        private_directory(SNIPPETS)
        for name, files in services.items():
            write_service(config, name, files)
        for path in sorted(SNIPPETS.glob("50-hublet*.py")):
            name = path.stem.partition("-")[2]
            if name not in services:
                remove_service(config, name)

        if source.get("sharedFolder"):
            config.changed += make_shared_folder()
        config.changed += install_packages(apt, pip)
        if source.get("https"):
            set_https(config, source["https"])
    return {"changed": config.changed}


def make_shared_folder() -> list[str]:
    """/srv/scratch, writable by every hub user, linked from the home of each *new* user (TLJH: share-data guide)."""
    folder, link, changed = at("/srv/scratch"), at("/etc/skel/scratch"), []
    if not folder.exists():
        folder.mkdir(parents=True)
        changed.append("sharedFolder")
    try:
        shutil.chown(folder, "root", "jupyterhub-users")
    except (LookupError, PermissionError):
        if not ROOT:  # under a root prefix there are no such accounts
            raise
    folder.chmod(0o2775)
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
        changed.append("sharedFolder:link")
    return changed


def install_packages(apt: list[str], pip: list[str]) -> list[str]:
    """Installs what our own record does not name yet. Names are arguments after `--`, never words of a shell."""
    record = read_json(PACKAGES)
    apt = [name for name in apt if name not in record.get("apt", [])]
    pip = [name for name in pip if name not in record.get("pip", [])]
    if apt:
        wait = ("-o", f"DPkg::Lock::Timeout={APT_WAIT_S}")
        with apt_to_ourselves():
            must_run("AptFailed", "apt-get", "update", "-q", limit_s=300)
            must_run("AptFailed", "apt-get", "install", "-y", "-q", *wait, "--", *apt, limit_s=900)
        write_json(PACKAGES, {**record, "apt": sorted({*record.get("apt", []), *apt})})
        record = read_json(PACKAGES)
    if pip:
        python = str(TLJH / "user/bin/python")
        quiet = ("--no-input", "--disable-pip-version-check", "--quiet")
        must_run("PipFailed", python, "-m", "pip", "install", *quiet, "--", *pip, limit_s=1200)
        write_json(PACKAGES, {**record, "pip": sorted({*record.get("pip", []), *pip})})
    return [f"apt:{name}" for name in apt] + [f"pip:{name}" for name in pip]
