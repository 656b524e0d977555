"""The one program Hublet puts on a VM: installs TLJH, configures it, and closes the door behind itself.

Standard library only, Python 3.10 or newer, because it travels inside customData to a bare Ubuntu. There it is one
executable file: shared/onvm/bundle.py packs these modules, `__main__` beside them. They import each other by the names
they have here, so a traceback on a VM names files of this repository.

    agent install          as root, from cloud-init's runcmd; cannot be reached over SSH
    agent ssh "<words>"    as root, by the forced command of hublet's authorized_keys; <words> must be one verb
    agent status|task      the same verbs by hand, for a person with root on the VM

A verb reads one JSON document on stdin and writes one on stdout: exit code 0, or 1 with
`{"error": {"code", "message"}}`. Secrets arrive on stdin only, never leave, and are never in argv or in a log.

A task runs detached from the SSH session that asked for it, once per key. Its lock file is held (flock) for as long
as its process lives, so the kernel says whether it still runs: nothing to guess after a crash or a reboot.

TLJH facts: https://tljh.jupyter.org and github.com/jupyterhub/the-littlest-jupyterhub at 2.0.0 (bootstrap/bootstrap.py,
tljh/installer.py, tljh/config.py, tljh/normalize.py).
"""
