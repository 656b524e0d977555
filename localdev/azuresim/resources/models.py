"""How groups, subscriptions, tenants and providers look on the wire."""

from collections.abc import Iterable

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.envelope import Json
from localdev.azuresim.store import Group, Resource

#: Namespaces a subscription knows; those in the first set are registered from the start.
REGISTERED = frozenset(
    {
        "Microsoft.Compute",
        "Microsoft.DevTestLab",
        "Microsoft.Network",
        "Microsoft.Resources",
        "Microsoft.Authorization",
        "Microsoft.Features",
    }
)
KNOWN_NAMESPACES = (*sorted(REGISTERED), "Microsoft.Storage", "Microsoft.Web")

_RESOURCE_TYPES: dict[str, tuple[str, ...]] = {
    "microsoft.compute": ("virtualMachines", "disks", "locations/operations", "locations/usages"),
    "microsoft.devtestlab": ("schedules",),
    "microsoft.network": ("virtualNetworks", "networkSecurityGroups", "publicIPAddresses", "networkInterfaces"),
    "microsoft.resources": ("resourceGroups", "subscriptions", "tenants"),
}
_API_VERSIONS = ["2026-04-01", "2026-03-01", "2025-04-01", "2024-11-01", "2024-07-01", "2022-11-01", "2022-09-01"]


def group_body(group: Group) -> Json:
    """A resource group."""
    body: Json = {
        "id": group.id,
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "properties": {"provisioningState": group.state.value},
    }
    if group.tags is not None:
        body["tags"] = dict(group.tags)
    return body


def brief(resource: Resource, rendered: Json, *, expand: Iterable[str] = (), with_tags: bool = True) -> Json:
    """A resource as the generic list shows it; one that is filtered by tag leaves the tags out
    (https://learn.microsoft.com/rest/api/resources/resources/list, ``$filter``)."""
    body: Json = {"id": resource.id, "name": resource.name, "type": resource.TYPE, "location": resource.location}
    shown = ("tags", "sku", "managedBy", "zones") if with_tags else ("sku", "managedBy", "zones")
    body |= {key: rendered[key] for key in shown if key in rendered}
    if "provisioningState" in expand:
        body["provisioningState"] = resource.state.value
    if "createdTime" in expand:
        body["createdTime"] = resource.created.isoformat()
    return body


def tenant_body(tenant_id: str) -> Json:
    """The one tenant."""
    return {
        "id": f"/tenants/{tenant_id}",
        "tenantId": tenant_id,
        "countryCode": "DE",
        "displayName": "Simulated tenant",
        "defaultDomain": "simulated.onmicrosoft.com",
        "tenantType": "AAD",
    }


def subscription_body(subscription_id: str, tenant_id: str) -> Json:
    """The one subscription."""
    return {
        "id": f"/subscriptions/{subscription_id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription_id,
        "tenantId": tenant_id,
        "displayName": "Simulated subscription",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def location_bodies(subscription_id: str) -> list[Json]:
    """The regions, as ``az account list-locations`` reads them."""
    return [
        {
            "id": f"/subscriptions/{subscription_id}/locations/{region.name}",
            "name": region.name,
            "displayName": region.display_name,
            "regionalDisplayName": region.display_name,
            "type": "Region",
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        }
        for region in REGIONS.values()
    ]


def provider_body(subscription_id: str, namespace: str, *, registered: bool) -> Json:
    """A resource provider."""
    regions = [region.display_name for region in REGIONS.values()]
    return {
        "id": f"/subscriptions/{subscription_id}/providers/{namespace}",
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered" if registered else "NotRegistered",
        "resourceTypes": [
            {
                "resourceType": kind,
                "locations": regions,
                "apiVersions": ["2018-09-15"] if namespace.lower() == "microsoft.devtestlab" else _API_VERSIONS,
                "capabilities": "None",
            }
            for kind in _RESOURCE_TYPES.get(namespace.lower(), ())
        ],
    }
