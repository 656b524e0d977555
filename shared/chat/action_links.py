"""Links to action pages: signed, single-use, expiring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.chat.card import Verb
from shared.settings import SealKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLink:
    """What a link allows: one press of `verb` on a hub, for `owner`. `via`: where it was shown, for the history."""

    verb: Verb
    hub_id: str
    owner: str
    deadline: str
    expires_at: datetime
    nonce: str
    via: str = "Teams"


def sign(keys: Sequence[SealKey], link: ActionLink) -> str:
    """A token for a URL's path: `[A-Za-z0-9._-]`, at most 1 KB, signed with a key derived from the newest seal key."""
    raise NotImplementedError


def read(keys: Sequence[SealKey], token: str, now: datetime) -> ActionLink | None:
    """None = not ours, changed, or expired. Never raises."""
    raise NotImplementedError
