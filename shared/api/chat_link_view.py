"""Links between chat accounts and owners as callers see them."""

from typing import TypedDict

from shared.api.progress import rfc3339
from shared.hubs.ports import ChatLink


class ChatLinkView(TypedDict):
    id: str
    platform: str
    team: str
    user: str
    owner: str
    createdAt: str
    createdBy: str


def chat_link_view(link: ChatLink) -> ChatLinkView:
    return ChatLinkView(
        id=link.user.id,
        platform=link.user.platform,
        team=link.user.team,
        user=link.user.user,
        owner=link.owner,
        createdAt=rfc3339(link.created_at),
        createdBy=link.created_by,
    )
