"""What ``tljh-config`` of TLJH 2.0.0 accepts, with the words its validator uses.

Source: jupyterhub/the-littlest-jupyterhub at tag 2.0.0, tljh/config_schema.py (JSON Schema); trials with the real
program gave the same refusals.  Unknown top-level keys are accepted, unknown keys inside known sections are not.
"""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
SWITCH: dict[str, Any] = {"type": "boolean"}
NAMES: dict[str, Any] = {"type": "array", "items": TEXT}


def _section(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "closed": True}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "users": _section(
            extra_user_groups={"type": "object"},
            allowed=NAMES,
            banned=NAMES,
            admin=NAMES,
        ),
        "services": _section(
            cull=_section(
                enabled=SWITCH,
                timeout=WHOLE,
                every=WHOLE,
                concurrency=WHOLE,
                users=SWITCH,
                max_age=WHOLE,
                remove_named_servers=SWITCH,
            )
        ),
        "https": _section(
            enabled=SWITCH,
            address=TEXT,
            port=WHOLE,
            tls=_section(key=TEXT, cert=TEXT),
            letsencrypt=_section(email=TEXT, domains=NAMES, staging=SWITCH),
        ),
        "http": _section(address=TEXT, port=WHOLE),
        "limits": _section(memory=TEXT, cpu=WHOLE),
        "user_environment": _section(default_app={"type": "string", "enum": ["jupyterlab", "classic"]}),
        "traefik_api": _section(ip=TEXT, port=WHOLE, username=TEXT, password=TEXT),
        "base_url": TEXT,
    },
}

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def problem(value: Any, schema: dict[str, Any] = SCHEMA) -> str | None:
    """The first thing wrong with the configuration, in the validator's words; None when it is fine."""
    kind = schema["type"]
    wrong_bool = isinstance(value, bool) and kind != "boolean"
    if wrong_bool or not isinstance(value, TYPES[kind]):
        return f"{value!r} is not of type {kind!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is not one of {schema['enum']!r}"
    if isinstance(value, list):
        return next((found for item in value if (found := problem(item, schema["items"]))), None)
    if not isinstance(value, dict):
        return None
    properties = schema.get("properties", {})
    for name, inner in value.items():
        if name in properties:
            if found := problem(inner, properties[name]):
                return found
        elif schema.get("closed"):
            return f"Additional properties are not allowed ({name!r} was unexpected)"
    return None
