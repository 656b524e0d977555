"""Azure as its owner sees it: the unmodified management SDKs, and the simulator's own record of what was asked."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from azure.core.credentials import AccessToken
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from localdev.stack import Stack

ARM_RESOURCE = "https://management.azure.com/"


@dataclass(frozen=True)
class InboundRule:
    """An allowing rule: who may come in to which ports."""

    name: str
    sources: frozenset[str]
    ports: frozenset[str]


class IdentityToken:
    """A credential of the SDKs: the managed identity's token, asked for as App Service does it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._endpoint = settings["IDENTITY_ENDPOINT"]
        self._secret = settings["IDENTITY_HEADER"]

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        query = urlencode({"resource": ARM_RESOURCE, "api-version": "2019-08-01"})
        asked = Request(f"{self._endpoint}?{query}", headers={"X-IDENTITY-HEADER": self._secret})
        with urlopen(asked, timeout=30) as answer:
            given = json.load(answer)
        return AccessToken(given["access_token"], int(given["expires_on"]))


class Azure:
    """One simulated subscription."""

    def __init__(self, stack: Stack) -> None:
        self._sim = stack.sim
        self._trust = ssl.create_default_context(cafile=stack.ca)
        common: dict[str, Any] = {
            "credential": IdentityToken(stack.settings),
            "subscription_id": stack.settings["HUBLET_SUBSCRIPTION_ID"],
            "base_url": stack.arm,
            "credential_scopes": [f"{ARM_RESOURCE}.default"],
            "connection_verify": stack.ca,
            "polling_interval": 1,
        }
        self.compute = ComputeManagementClient(**common)
        self.network = NetworkManagementClient(**common)
        self.resources = ResourceManagementClient(**common)

    def close(self) -> None:
        for client in (self.compute, self.network, self.resources):
            client.close()

    # ---- what there is

    def groups(self) -> set[str]:
        return {str(group.name) for group in self.resources.resource_groups.list()}

    def groups_of(self, hub_id: str) -> set[str]:
        return {name for name in self.groups() if name.lower().startswith(f"hublet-{hub_id}-")}

    def everything(self) -> set[str]:
        """Ids of all resources, in lower case: Azure does not keep case."""
        return {str(resource.id).lower() for resource in self.resources.resources.list()}

    def belonging_to(self, hub_id: str) -> set[str]:
        return {resource for resource in self.everything() if f"/hublet-{hub_id}-" in resource}

    def vms(self, group: str) -> list[Any]:
        return list(self.compute.virtual_machines.list(group))

    def inbound_rules(self, group: str) -> list[InboundRule]:
        """The allowing rules of the group's own security group; none while there is no such thing."""
        try:
            found = self.network.network_security_groups.get(group, "hublet-nsg")
        except ResourceNotFoundError:
            return []
        return [
            InboundRule(
                str(rule.name),
                frozenset(rule.source_address_prefixes or [rule.source_address_prefix]),
                frozenset(rule.destination_port_ranges or [rule.destination_port_range]),
            )
            for rule in found.security_rules or []
            if rule.direction == "Inbound" and rule.access == "Allow"
        ]

    # ---- what was asked

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.simulator("requests")["requests"]
        return found

    def asked(self, operation: str, part_of_path: str) -> list[dict[str, Any]]:
        """Requests of one operation whose path has that text, in any case."""
        return [
            request
            for request in self.requests()
            if request["operation"] == operation and part_of_path.lower() in request["path"].lower()
        ]

    def reach(self, host: str, port: int) -> tuple[str, int]:
        """Where a public name and port of a VM really are."""
        found = self.simulator(f"reach?{urlencode({'host': host, 'port': port})}")
        return str(found["address"]), int(found["port"])

    def simulator(self, path: str, document: object = None) -> Any:
        """Its control surface: GET, or POST of a document."""
        asked = Request(f"{self._sim}/{path}", None if document is None else json.dumps(document).encode())
        with urlopen(asked, timeout=30, context=self._trust) as answer:
            return json.load(answer)
