"""Generated secrets are handed out: again to the same principal for ten minutes, then erased."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from shared.errors import ConcurrentUpdate, RetryableError, UserError
from shared.hubs.model import Hub, Principal
from shared.hubs.ports import DueRow, HubSecrets

if TYPE_CHECKING:
    from shared.app import App

HAND_OUT_WINDOW = timedelta(minutes=10)
"""A secret may be fetched again by the same principal for this long: a lost answer must not lock anyone out."""

ERASE = "erase"
"""Kind of the due row that reminds the timer of a secret that was handed out."""

_TRIES = 8
"""How often a hand-out is decided again when somebody else changed the secrets row meanwhile."""


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What is given out once: `value` is the private key or the password."""

    value: str = field(repr=False)
    hub: Hub
    user: str


type HandOutKind = Literal["ssh-key", "admin-password"]


async def hand_out(app: "App", principal: Principal, hub: Hub, what: HandOutKind) -> HandedOut:
    """Gives out a generated secret: again to the same principal for 10 minutes, then erased.

    Raises UserError `NotReadyYet`, `AlreadyHandedOut`, `SshKeyIsYours`.
    """
    if what == "ssh-key" and hub.spec.ssh_public_key is not None:
        raise UserError(
            "SshKeyIsYours",
            "This hub was made with your own public key; there is no private key here.",
            fix="Use the private key that belongs to the `sshPublicKey` you sent.",
        )
    for _ in range(_TRIES):
        secrets = await app.secrets.get(hub.owner, hub.id)
        if secrets is None:
            raise UserError(
                "NotReadyYet",
                "The keys of this hub are not made yet.",
                fix="Ask again in a few seconds.",
            )
        now = app.clock.now()
        first, receiver = secrets.handed_out.get(what), secrets.handed_to.get(what)
        value = secrets.owner_private_key if what == "ssh-key" else secrets.admin_password
        if value is None or (first is not None and (receiver != principal.owner or now > first + HAND_OUT_WINDOW)):
            if value is not None and first is not None and now > first + HAND_OUT_WINDOW:
                await _erase(app, hub, secrets, what)
            raise UserError(
                "AlreadyHandedOut",
                "This was handed out before and is erased now.",
                fix="Use the copy that was saved then; who has sudo on the machine can set a new one.",
            )
        if first is None:
            await app.due.put(_erase_due(hub, now))  # before the mark: what is handed out is erased in any case
            marked = replace(
                secrets,
                handed_out={**secrets.handed_out, what: now},
                handed_to={**secrets.handed_to, what: principal.owner},
            )
            try:
                await app.secrets.save(hub.owner, hub.id, marked)
            except ConcurrentUpdate:
                continue
        user = hub.spec.admin_user
        return HandedOut(value=value, hub=hub, user=user)
    raise RetryableError("Busy", "Somebody else asks for the same secret.", fix="Send it again.", retry_after_s=1)


def _erase_due(hub: Hub, now: datetime) -> DueRow:
    return DueRow(
        at=now + HAND_OUT_WINDOW,
        hub_id=hub.id,
        owner=hub.owner,
        name=hub.name,
        kind=ERASE,
        generation=hub.generation,
        pass_number=hub.pass_number,
    )


async def erase_expired(app: "App", hub: Hub) -> None:
    """Erases what was handed out longer ago than the window. Driven by the timer; twice = nothing left to do."""
    kinds: tuple[HandOutKind, ...] = ("ssh-key", "admin-password")
    for what in kinds:
        secrets = await app.secrets.get(hub.owner, hub.id)
        first = secrets.handed_out.get(what) if secrets else None
        if secrets is not None and first is not None and app.clock.now() >= first + HAND_OUT_WINDOW:
            await _erase(app, hub, secrets, what)


async def _erase(app: "App", hub: Hub, secrets: HubSecrets, what: HandOutKind) -> None:
    try:
        erased = (
            replace(secrets, owner_private_key=None) if what == "ssh-key" else replace(secrets, admin_password=None)
        )
        await app.secrets.save(hub.owner, hub.id, erased)
    except ConcurrentUpdate:
        return  # somebody else erases it
