"""Chat: who a chat user is here, which conversation a hub is talked about in, what was seen already."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChatUser:
    """A person on a chat platform, by the ids the platform signs for: names can be chosen and are no identity.

    `platform`: `slack` or `teams`; `team`: Slack's team id, Teams' tenant id; `user`: Slack's user id, Teams'
    `aadObjectId`. Each part is `[A-Za-z0-9-]{1,64}`."""

    platform: str
    team: str
    user: str

    @property
    def id(self) -> str:
        return f"{self.platform}.{self.team}.{self.user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLink:
    """This chat user acts for this owner, with role `user` and never more."""

    user: ChatUser
    owner: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCode:
    """Proof that somebody is this chat user: shown to them alone, told by them to our API."""

    user: ChatUser
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation about one hub. The hub names it (`Hub.thread`); what was posted there is kept here.

    `channel`: where the command was typed. `posted_in`, `posted`: channel and timestamp (Slack's `ts`) of the one
    message that follows the hub; while it is being posted, `posted` is `?` and since when. `shown`: SHA-256 of what it
    shows. `response_url` takes `response_left` more posts until `response_until`. `told`: notices that were posted as
    messages of their own."""

    id: str
    platform: str
    team: str
    channel: str
    user: str
    created_at: datetime
    posted_in: str | None = None
    posted: str | None = None
    shown: str | None = None
    told: tuple[str, ...] = ()
    response_url: str | None = field(default=None, repr=False)
    response_left: int = 0
    response_until: datetime | None = None
    etag: str | None = None


class ChatStore(Protocol):
    """Table `chat`. `response_url` is stored sealed."""

    async def link(self, user: ChatUser) -> ChatLink | None:
        """May be up to 60 s old in another process; a change made by this one is seen at once."""
        ...

    async def links(self, owner: str | None = None) -> Sequence[ChatLink]:
        """By id; None = everybody's."""
        ...

    async def save_link(self, link: ChatLink) -> None:
        """Replaces the user's link when there is one."""
        ...

    async def remove_link(self, user: ChatUser) -> bool: ...
    async def first_sight(self, key: str, now: datetime) -> bool:
        """True exactly once for each key (any text), whoever asks, for at least a day. Raises RetryableError when that
        cannot be told: then nothing must be done."""
        ...

    async def seen(self, key: str) -> bool:
        """Whether `first_sight` was asked for this key, without asking it. Raises RetryableError."""
        ...

    async def put_code(self, code_sha256: str, code: LinkCode) -> None: ...
    async def take_code(self, code_sha256: str, now: datetime) -> LinkCode | None:
        """The code, once; None when there is none, it was taken, or it has expired."""
        ...

    async def thread(self, thread_id: str) -> Thread | None: ...
    async def create_thread(self, thread: Thread) -> Thread:
        """Inserts; when one is there already, returns that one."""
        ...

    async def save_thread(self, thread: Thread) -> Thread:
        """Replaces by ETag. Raises ConcurrentUpdate."""
        ...

    async def forget_old(self, now: datetime) -> int:
        """Removes sights older than two days, expired codes, threads that nobody saved for 100 days."""
        ...
