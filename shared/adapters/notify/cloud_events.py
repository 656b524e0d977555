"""A notice as a CloudEvent in structured JSON. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
from collections.abc import Mapping
from datetime import UTC

from shared.hubs.model import Notice
from shared.hubs.notice_kinds import kind_of
from shared.log import is_secret_name, redact

MEDIA_TYPE = "application/cloudevents+json"


def event_of(notice: Notice) -> Mapping[str, object]:
    """`source` and `id` name the event, the same at every delivery. `source` is a path of our API without its host:
    one service may be reached by several."""
    return {
        "specversion": "1.0",
        "id": notice.id,
        "source": f"/api/hubs/{notice.hub_id}",
        "type": notice.type,
        "subject": notice.hub_name,
        "time": notice.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "hubId": notice.hub_id,
            "name": notice.hub_name,
            "owner": notice.owner,
            "event": kind_of(notice.type),
            "message": redact(notice.message),
            "details": {name: _told(value) for name, value in notice.data.items() if not is_secret_name(name)},
        },
    }


def encode(notice: Notice) -> bytes:
    """The same bytes for the same notice."""
    return json.dumps(event_of(notice), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _told(value: object) -> object:
    """Notices carry plain values; whatever else slips in is told as text. Secrets are masked in either."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
