"""The machine answers over SSH, and with the host key that we made for it: nothing is sent to any other."""

from shared.hubs.model import StepName
from shared.hubs.visit import Done, Visit, Wait
from shared.hubs.vm_errors import AgentProtocolError, AuthenticationRefused, VmUnreachable
from shared.steps.agent_status import parse_status
from shared.steps.on_vm import ask_agent, paced

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 15.0
_GROWTH = 0.2
"""Azure reports a Linux VM as created after its first boot's provisioning, so the first look is worth it at once.
When it comes too early, sshd is up within 20-40 s as a rule; each pause is a fifth of the time already spent."""


class BootStep:
    name = StepName.BOOT

    async def ensure(self, visit: Visit) -> Done | Wait:
        """One `status` call; changes nothing on the machine. A wrong host key raises FatalError `UntrustedHostKey`.

        Not only silence means "not yet": sshd may be up before cloud-init made our account or wrote the agent.
        """
        try:
            parse_status(await ask_agent(visit, "status", {"logOffset": 0, "outputOffset": 0, "maxBytes": 1}))
        except (VmUnreachable, AuthenticationRefused, AgentProtocolError) as error:
            return Wait(self._pause_s(visit), error.message)
        return Done()

    def _pause_s(self, visit: Visit) -> float:
        began = visit.hub.step(self.name).started_at or visit.now
        spent = (visit.now - began).total_seconds() * visit.app.settings.poll_scale
        return paced(visit, min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, _GROWTH * spent)))
