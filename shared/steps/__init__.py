"""One module per thing to ensure. `STEPS` is the registry that the queue worker hands to the lifecycle."""

from collections.abc import Mapping

from shared.hubs.model import PROVISION, StepName
from shared.hubs.visit import Step
from shared.steps.accept import AcceptStep
from shared.steps.address import AddressStep
from shared.steps.boot import BootStep
from shared.steps.configure import ConfigureStep
from shared.steps.expose import ExposeStep
from shared.steps.group import GroupStep
from shared.steps.https import HttpsStep
from shared.steps.install import InstallStep
from shared.steps.lock import LockStep
from shared.steps.machine import MachineStep
from shared.steps.network import NetworkStep
from shared.steps.power_watch import PowerWatch

_ALL: tuple[Step, ...] = (
    GroupStep(),
    NetworkStep(),
    MachineStep(),
    AddressStep(),
    PowerWatch(BootStep()),
    PowerWatch(InstallStep()),
    PowerWatch(ConfigureStep()),
    ExposeStep(),
    PowerWatch(HttpsStep()),
    PowerWatch(AcceptStep()),
    LockStep(),
)
STEPS: Mapping[StepName, Step] = {step.name: step for step in _ALL}
assert tuple(STEPS) == PROVISION, "the registry and the order of PROVISION must agree"
