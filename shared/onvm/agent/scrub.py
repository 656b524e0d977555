"""Removing the secrets that came with customData."""

import re

from shared.onvm.agent.files import read_capped, read_json, wipe, write_atomically, write_json
from shared.onvm.agent.vm import INPUT, MIB, at

CUSTOM_DATA_COPIES = (
    # obj.pkl is cloud-init's cached data source with the raw user data, from which the next boot would write
    # user-data.txt again. Without it cloud-init asks Azure once more, which no longer serves customData.
    *(f"var/lib/cloud/{where}/{name}" for where in ("instance", "instances/*")
      for name in ("user-data*", "cloud-config*", "obj.pkl")),
    "run/cloud-init/*sensitive*.json",
    "run/cloud-init/combined-cloud-config.json",
    "run/cloud-init/cloud.cfg",
    "var/lib/waagent/CustomData",
)  # fmt: skip


def scrub_secrets() -> None:
    """Removes the boot-time host key and the password hash from everything that had a copy of customData."""
    for pattern in CUSTOM_DATA_COPIES:
        for path in list(at("/").glob(pattern)):
            wipe(path)
    # Azure's provisioning document: cloud-init reads the rest of it at later boots, so only the data goes.
    for path in (at("/var/lib/waagent/ovf-env.xml"), at("/var/lib/cloud/seed/azure/ovf-env.xml")):
        document = read_capped(path, MIB)
        emptied = re.sub(rb"(<(?:\w+:)?CustomData>)[^<]*(</)", rb"\1\2", document)
        if emptied != document:
            wipe(path)
            write_atomically(path, emptied)
    source = read_json(INPUT)
    if source.get("adminPasswordHash"):
        wipe(INPUT)
        write_json(INPUT, {**source, "adminPasswordHash": None})
