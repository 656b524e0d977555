"""``/metadata/endpoints``: how ``az cloud register`` and SDKs learn a cloud's addresses.

Shapes: https://management.azure.com/metadata/endpoints for api-versions 2015-01-01 (one object, few fields) and
2019-05-01 and later (with names, suffixes and all endpoints).
"""

from localdev.azuresim.envelope import Json, Request, Response


def endpoints(request: Request, base_url: str, tenant_id: str) -> Response:
    """The cloud's description in the shape of the asked api-version."""
    version = request.parameters().get("api-version", "2015-01-01")
    login: Json = {
        "loginEndpoint": f"{base_url}/",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
    }
    if version < "2018":
        graph = {"galleryEndpoint": f"{base_url}/", "graphEndpoint": f"{base_url}/", "portalEndpoint": f"{base_url}/"}
        return Response(200, {**graph, "authentication": login})
    cloud: Json = {
        "name": "HubletLocal",
        "portal": f"{base_url}/",
        "authentication": {**login, "tenant": tenant_id, "identityProvider": "AAD"},
        "graph": f"{base_url}/",
        "graphAudience": f"{base_url}/",
        "gallery": f"{base_url}/",
        "resourceManager": f"{base_url}/",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
        },
    }
    return Response(200, {"value": [cloud]} if version < "2019-05-01" else cloud)
