"""The words for what a hub does: the one place that maps states, steps and causes to what people read, in the API's
progress, in chat and in what we send."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.hubs.model import StepName
from shared.hubs.states import HubState

STATES: Mapping[HubState, str] = MappingProxyType(
    {
        HubState.ACCEPTED: "Accepted and queued",
        HubState.PROVISIONING: "Being made",
        HubState.INSTALLING: "Being installed",
        HubState.VERIFYING: "Being tried out",
        HubState.READY: "Ready",
        HubState.STOPPING: "Stopping",
        HubState.STOPPED: "Stopped",
        HubState.STARTING: "Starting",
        HubState.DELETING: "Being deleted",
        HubState.DELETED: "Deleted",
        HubState.FAILED: "Failed",
    }
)

STEPS: Mapping[StepName, str] = MappingProxyType(
    {
        StepName.GROUP: "Making the resource group",
        StepName.NETWORK: "Making the network and its firewall",
        StepName.MACHINE: "Making the virtual machine",
        StepName.ADDRESS: "Reading the public address",
        StepName.BOOT: "Waiting for the machine to answer with its expected host key",
        StepName.INSTALL: "Installing TLJH",
        StepName.CONFIGURE: "Configuring TLJH and installing packages",
        StepName.EXPOSE: "Opening the web ports",
        StepName.HTTPS: "Getting a certificate",
        StepName.ACCEPT: "Trying it out: a real login, a real server, a real notebook",
        StepName.LOCK: "Locking the machine down",
    }
)

WHYS: Mapping[str, str] = MappingProxyType(
    {
        "schedule": "by its schedule",
        "extended": "because the extended time is over",
        "idle": "because nobody works on it",
        "expires": "because its end date has come",
        "asked for": "as asked for",
    }
)
"""Why a hub stops or has stopped (`agenda.Why`, `Life.stop_why`)."""


def why(text: str) -> str:
    """A cause nobody wrote a phrase for speaks for itself."""
    return WHYS.get(text, text)
