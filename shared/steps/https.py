"""The hub's public address: `https://` with a certificate that verifies, or plain HTTP as a *named* condition.

Names are tried in order: the owner's domain, then the machine's Azure name. All of `azure.com` is one bucket for Let's
Encrypt (https://letsencrypt.org/docs/rate-limits/), so the second is best effort; a hub without a certificate works and
says why, it is not a failed hub and not a silent downgrade.
"""

import ipaddress
from datetime import datetime

from shared.errors import FatalError, RetryableError
from shared.hubs.model import HttpsMode, StepName
from shared.hubs.visit import Done, Visit, Wait
from shared.steps.on_vm import (
    LOST_TASK_TRIES,
    TaskReport,
    address_of,
    begin_next_try,
    paced,
    run_task,
    task_key,
    task_number,
)
from shared.steps.text import one_line

CONDITION = "HttpsRefused"
CERTIFICATE_LIMIT_S = 600.0
"""For all names together. Issuing takes 5-60 s once DNS and port 443 are there (docs/install/jetstream.md of TLJH);
after ten minutes it is a refusal (rate limit, DNS), and trying on would only burn more of the limit."""

WAIT_S = 8
RUNNING_PAUSE_S = 2.0
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
_SHARE_OF_ELAPSED = 0.2


class HttpsStep:
    name = StepName.HTTPS

    async def ensure(self, visit: Visit) -> Done | Wait:
        """Sets `hub.url`. A second call after `Done` asks nobody anything."""
        if visit.memory(self.name).get("settled"):
            return Done()
        if visit.hub.spec.https.mode is HttpsMode.NONE:
            return await self._plain(visit)
        if visit.memory(self.name).get("refused"):
            return await self._fall_back(visit)
        return await self._secure(visit)

    # ---- with a certificate

    async def _secure(self, visit: Visit) -> Done | Wait:
        names, email = self._names(visit), visit.hub.spec.https.email or visit.app.settings.https_email
        if not email:
            self._show(visit, "A certificate needs a contact address (https.email), and none is set.")
            return await self._plain(visit)
        index = min(visit.memory(self.name).get("name", 0), len(names) - 1)
        wish = {"domain": names[index], "email": email, "staging": False}
        number = task_number(visit, self.name, "https")
        report = await run_task(visit, "https", task_key(visit, "https", wish, number=number), wish, wait_s=WAIT_S)
        match report.state:
            case "running":
                return Wait(paced(visit, RUNNING_PAUSE_S), "HTTPS is being configured")
            case "failed":
                if report.lost and begin_next_try(visit, self.name, "https") <= LOST_TASK_TRIES:
                    return Wait(paced(visit, RUNNING_PAUSE_S), report.message)
                return await self._refuse(visit, _said(report))
            case "succeeded":
                return await self._await_certificate(visit, names[index], len(names))

    async def _await_certificate(self, visit: Visit, name: str, names: int) -> Done | Wait:
        if "asked" not in visit.memory(self.name):
            visit.remember(self.name, asked=visit.now.isoformat())
        try:
            check = await visit.app.hub_http.tls(name)
            reason = check.reason
            if check.ok:
                visit.hub = visit.hub.without_condition(CONDITION)
                return await self._settle(visit, await self._url(visit, "https", name, 443))
        except RetryableError as error:
            reason = error.message
        scale = visit.app.settings.poll_scale
        spent = (visit.now - datetime.fromisoformat(visit.memory(self.name)["asked"])).total_seconds() * scale
        if spent >= CERTIFICATE_LIMIT_S / names:
            return await self._refuse(visit, reason)
        pause = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, _SHARE_OF_ELAPSED * spent))
        return Wait(paced(visit, pause), f"waiting for the certificate of {name}: {one_line(reason, 120)}")

    def _names(self, visit: Visit) -> list[str]:
        """Without doubles; a name that is an address cannot have a certificate here."""
        wished = (visit.hub.spec.https.domain, visit.hub.machine.fqdn)
        names = list(dict.fromkeys(name.lower() for name in wished if name))
        if not names:
            raise FatalError("ImpossibleState", "The machine has no public name although it should have one by now.")
        return names

    # ---- without one

    async def _refuse(self, visit: Visit, reason: str) -> Done | Wait:
        """The next name, or plain HTTP. Every refusal is told; the last one becomes the condition."""
        names = self._names(visit)
        index = visit.memory(self.name).get("name", 0)
        said = one_line(reason, 300) or "no reason was given"
        if index + 1 < len(names):
            visit.tell(
                "https", f"No certificate for {names[index]}: {said}. Trying {names[index + 1]}.", step=self.name
            )
            visit.remember(self.name, name=index + 1, asked=None)
            return Wait(0.0)
        visit.remember(self.name, refused=f"There is no trusted certificate for {names[index]}: {said}.")
        return await self._fall_back(visit)

    async def _fall_back(self, visit: Visit) -> Done | Wait:
        """Turns HTTPS off on the machine first: left on, it would send every visitor to a certificate warning."""
        key = task_key(visit, "https", "off", number=task_number(visit, self.name, "off"))
        report = await run_task(visit, "https", key, {"domain": None}, wait_s=WAIT_S)
        if report.state == "running":
            return Wait(paced(visit, RUNNING_PAUSE_S), "HTTPS is being turned off")
        if report.state == "failed":
            if begin_next_try(visit, self.name, "off") <= LOST_TASK_TRIES:
                return Wait(paced(visit, SHORTEST_PAUSE_S), _said(report))
            raise FatalError("HttpsStuck", f"The machine can neither serve HTTPS nor turn it off: {_said(report)}")
        self._show(visit, visit.memory(self.name)["refused"])
        return await self._plain(visit)

    def _show(self, visit: Visit, why: str) -> None:
        visit.condition(CONDITION, f"{why} The hub is served over plain HTTP: passwords travel unprotected.")

    async def _plain(self, visit: Visit) -> Done | Wait:
        name = visit.hub.machine.fqdn or address_of(visit.hub)
        return await self._settle(visit, await self._url(visit, "http", name, 80))

    # ---- the address

    async def _settle(self, visit: Visit, url: str) -> Done:
        visit.update(url=url)
        visit.remember(self.name, settled=True)
        return Done()

    async def _url(self, visit: Visit, scheme: str, name: str, port: int) -> str:
        """As a person can open it. Where names are looked up (a simulated machine), plain HTTP shows the socket's
        address, because nobody's DNS knows the name; HTTPS keeps the name that its certificate is for."""
        endpoint = await visit.app.reach.endpoint(name, port)
        host = endpoint.address if scheme == "http" else name
        suffix = "" if endpoint.port == port else f":{endpoint.port}"
        return f"{scheme}://{_in_url(host)}{suffix}/"


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _said(report: TaskReport) -> str:
    return one_line(report.message, 300) or report.code
