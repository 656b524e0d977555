"""Which names Azure accepts.

Rules: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules; reserved admin names:
https://learn.microsoft.com/azure/virtual-machines/linux/faq#what-are-the-username-requirements-when-creating-a-vm-.
"""

import re
from collections.abc import Mapping

GROUP_NAME = re.compile(r"[\w()\-.]{0,89}[\w()\-]")
VM_NAME = re.compile(r"[^\\/\"\[\]:|<>+=;,?*@&~!#$%^()_{}'\s]{0,63}[^\\/\"\[\]:|<>+=;,?*@&~!#$%^()_{}'\s.\-]")
NETWORK_NAME = re.compile(r"[A-Za-z0-9](?:[\w.\-]{0,78}\w)?", re.ASCII)
VNET_NAME = re.compile(r"[A-Za-z0-9][\w.\-]{0,62}\w", re.ASCII)
DISK_NAME = re.compile(r"[A-Za-z0-9](?:[\w.\-]{0,78}\w)?", re.ASCII)
DNS_LABEL = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")

RESERVED_ADMIN_NAMES = frozenset(
    [
        "1",
        "123",
        "a",
        "actuser",
        "adm",
        "admin",
        "admin1",
        "admin2",
        "administrator",
        "aspnet",
        "backup",
        "console",
        "david",
        "guest",
        "john",
        "owner",
        "root",
        "server",
        "sql",
        "support",
        "support_388945a0",
        "sys",
        "test",
        "test1",
        "test2",
        "test3",
        "user",
        "user1",
        "user2",
        "user3",
        "user4",
        "user5",
        "video",
    ]
)
ADMIN_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,63}", re.IGNORECASE)

_MAX_TAGS = 50
_BAD_IN_TAG_NAME = set("<>%&\\?/")


def admin_name_allowed(name: str) -> bool:
    """Whether Azure lets an administrator of a Linux VM be called that."""
    return bool(ADMIN_NAME.fullmatch(name)) and name.lower() not in RESERVED_ADMIN_NAMES


def problem_with_tags(tags: Mapping[str, str]) -> str | None:
    """What ARM would say about these tags; None when nothing."""
    if len(tags) > _MAX_TAGS:
        return f"The number of tags '{len(tags)}' is greater than the maximum '{_MAX_TAGS}' supported on a resource."
    for name, value in tags.items():
        if not name or len(name) > 512 or _BAD_IN_TAG_NAME & set(name):
            return (
                f"The tag name '{name}' is invalid. The tag name is 1 to 512 characters long and cannot have "
                "reserved characters '<,>,%,&,\\,?,/' or control characters."
            )
        if not isinstance(value, str) or len(value) > 256:
            return f"The value of tag '{name}' is invalid. It should be a string of at most 256 characters."
    return None
