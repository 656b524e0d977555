"""The task `https`."""

from typing import Any

from shared.onvm.agent.checks import RE_DOMAIN, RE_EMAIL, text
from shared.onvm.agent.tljh import TljhConfig, configuring


def task_https(source: dict[str, Any]) -> dict[str, Any]:
    with configuring() as config:
        set_https(config, source)
    return {"changed": bool(config.changed)}


def set_https(config: TljhConfig, source: dict[str, Any]) -> None:
    """Asks the proxy for a certificate for exactly this domain; a null domain turns HTTPS off again (a hub that gets
    no certificate would otherwise redirect its visitors to a warning page)."""
    domains = "https.letsencrypt.domains"
    if source.get("domain") is None:
        if config.values.get("https.enabled"):
            config.set("https.enabled", False, "proxy")
        return
    domain, email = text(source, "domain", RE_DOMAIN), text(source, "email", RE_EMAIL)
    for other in list(config.values.get(domains) or []):
        if other != domain:  # one certificate for both would fail with the one that fails
            config.remove(domains, str(other), "proxy")
    config.set("https.letsencrypt.email", email, "proxy")
    config.add(domains, domain, "proxy")
    if source.get("staging") or "https.letsencrypt.staging" in config.values:
        config.set("https.letsencrypt.staging", bool(source.get("staging")), "proxy")
    config.set("https.enabled", True, "proxy")
