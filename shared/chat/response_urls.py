"""Slack's response URLs: addresses of one conversation that take a few messages for a while. Pure.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

import re
from datetime import timedelta
from urllib.parse import urlsplit

POSTS = 5
LIFE = timedelta(minutes=30)
"""What one address takes, and for how long."""

HOST = "hooks.slack.com"

_URL = re.compile(r"https://[!-~]{1,2000}")


def is_slacks(url: str, api: str) -> bool:
    """Whether it is on Slack's own host, or on that of the API of the settings: nothing of a hub goes anywhere else."""
    if not _URL.fullmatch(url) or "\\" in url:  # some readers take `\` for `/`, and see another host than we do
        return False
    try:
        parts, mine = urlsplit(url), urlsplit(api)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None:
        return False
    return (host, port) in {(HOST, 443), (mine.hostname, mine.port or 443)}
