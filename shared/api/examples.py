"""Request bodies for the description: schema name -> what it does -> the body. Tests send each of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

EXAMPLES: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "HubRequest": {
            "the tutorial's hub": {},
            "a course that runs on weekdays and stops when nobody works": {
                "name": "bio101",
                "people": 12,
                "packages": {"pip": ["pandas"]},
                "schedule": {
                    "timeZone": "Europe/Berlin",
                    "start": "08:30",
                    "stop": "19:00",
                    "days": ["mon", "tue", "wed", "thu", "fri"],
                },
                "idleMinutes": 60,
            },
            "two times a week with other hours, but for the holidays": {
                "schedule": {
                    "timeZone": "America/New_York",
                    "blocks": [
                        {"days": ["tue"], "start": "09:00", "stop": "12:30"},
                        {"days": ["thu"], "start": "14:00", "stop": "18:00"},
                    ],
                    "until": "2099-06-30",
                    "skip": ["2098-12-24", "2098-12-31"],
                }
            },
        },
        "HubPatch": {
            "another stop, all else stays": {"schedule": {"stop": "20:00"}},
            "no schedule, no idle stop": {"schedule": None, "idleMinutes": None},
            "an end date": {"expiresAt": "2099-02-01T00:00:00Z"},
        },
        "ExtendRequest": {
            "two hours more": {"hours": 2},
            "not tonight": {"skipNextStop": True},
        },
        "Nothing": {"nothing": {}},
        "ChatLinkRequest": {
            "your own account, by the code it was shown": {"code": "7QK2MXA9RT"},
            "a colleague's, as an admin": {
                "platform": "slack",
                "team": "T1DC2JH3J",
                "user": "U2CERLKJA",
                "owner": "ada",
            },
        },
        "SlackCommand": {
            "/hub status": {
                "team_id": "T1DC2JH3J",
                "channel_id": "C024BE91L",
                "user_id": "U2CERLKJA",
                "command": "/hub",
                "text": "status",
                "response_url": "https://hooks.slack.com/commands/T1DC2JH3J/1/x",
            }
        },
        "SlackInteraction": {"a button": {"payload": '{"type":"block_actions"}'}},
        "TeamsActivity": {
            "a mention": {
                "type": "message",
                "timestamp": "2026-03-02T09:30:00.000Z",
                "text": "<at>Hublet</at> status",
                "from": {"aadObjectId": "11111111-2222-4333-8444-555555555555"},
                "conversation": {"id": "19:abc@thread.tacv2", "tenantId": "66666666-7777-4888-8999-000000000000"},
            }
        },
        "SinkRequest": {
            "all events but progress": {"url": "https://hooks.example.org/hublet"},
            "warnings only": {
                "url": "https://hooks.example.org/warnings",
                "events": ["stopping-soon", "ending-soon", "budget-nearly-spent"],
                "description": "the course's calendar",
            },
        },
        "RedeliverRequest": {"all": {}, "one": {"id": "bio101-ab2cd3.17"}},
        "TokenRequest": {"a token for a colleague": {"owner": "ada", "name": "laptop"}},
    }
)
