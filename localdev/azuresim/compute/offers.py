"""What can be bought: SKUs, usages against quota, sizes, images."""

import json

from localdev.azuresim.catalogue import IMAGES, REGIONS, SIZES, Size, find_image, offered
from localdev.azuresim.compute.errors import no_such_image
from localdev.azuresim.compute.quota import Quota
from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.filters import BadFilter, parse_filter
from localdev.azuresim.resources.errors import bad_filter, location_not_available
from localdev.azuresim.routing import Call, normal_location
from localdev.azuresim.services import Services


class Offers:
    """The catalogue on the wire."""

    def __init__(self, services: Services, quota: Quota) -> None:
        self._services = services
        self._quota = quota

    def skus(self, call: Call) -> Response:
        """All sizes of all regions on one page, or of one with ``$filter=location eq '...'``."""
        text = call.query.get("$filter", "")
        try:
            terms = parse_filter(text)
        except BadFilter as bad:
            raise bad_filter(text) from bad
        if any(term.field.lower() != "location" for term in terms) or len(terms) > 1:
            raise bad_filter(text)
        wanted = normal_location(terms[0].value) if terms else None
        value = [
            _sku(size, region)
            for region in REGIONS
            for size in SIZES.values()
            if wanted in (None, region) and offered(size, region)
        ]
        return Response(200, {"value": value})

    def usages(self, call: Call) -> Response:
        return Response(200, {"value": self._quota.usages(self._region(call))})

    def sizes(self, call: Call) -> Response:
        region = self._region(call)
        value = [
            {
                "name": size.name,
                "numberOfCores": size.cores,
                "osDiskSizeInMB": 1047552,
                "resourceDiskSizeInMB": 16384,
                "memoryInMB": int(size.memory_gb * 1024),
                "maxDataDiskCount": 4,
            }
            for size in SIZES.values()
            if offered(size, region)
        ]
        return Response(200, {"value": value})

    def image_versions(self, call: Call) -> Response:
        """A bare list, ``$top`` and ``$orderby=name desc`` as clients use them."""
        publisher, offer, sku = (call.params[key] for key in ("publisher", "offer", "sku"))
        image = find_image(publisher, offer, sku)
        if image is None:
            raise no_such_image(f"{publisher}:{offer}:{sku}")
        newest_first = "desc" in call.query.get("$orderby", "").lower()
        versions = sorted(image.versions, reverse=newest_first)[: int(call.query.get("$top") or len(image.versions))]
        return Response(200, _bare([self._version(call, version) for version in versions]))

    def image_skus(self, call: Call) -> Response:
        wanted = (call.params["publisher"].lower(), call.params["offer"].lower())
        skus = [image.sku for image in IMAGES if (image.publisher.lower(), image.offer.lower()) == wanted]
        root = self._image_root(call) + f"/ArtifactTypes/VMImage/Offers/{call.params['offer']}/Skus"
        return Response(200, _bare([{"location": self._region(call), "name": n, "id": f"{root}/{n}"} for n in skus]))

    def _version(self, call: Call, version: str) -> Json:
        offer, sku = call.params["offer"], call.params["sku"]
        root = f"{self._image_root(call)}/ArtifactTypes/VMImage/Offers/{offer}/Skus/{sku}/Versions"
        return {"location": self._region(call), "name": version, "id": f"{root}/{version}"}

    def _image_root(self, call: Call) -> str:
        subscription = self._services.subscription_id
        return (
            f"/Subscriptions/{subscription}/Providers/Microsoft.Compute/Locations/{self._region(call)}"
            f"/Publishers/{call.params['publisher']}"
        )

    def _region(self, call: Call) -> str:
        region = normal_location(call.params["location"])
        if region not in REGIONS:
            raise location_not_available(region, "locations")
        return region


def _bare(value: list[Json]) -> bytes:
    return json.dumps(value).encode()


def _sku(size: Size, region: str) -> Json:
    zones = list(REGIONS[region].zones)
    short = size.name.removeprefix("Standard_")
    restrictions: list[Json] = []
    if region in size.restricted_in:
        restrictions.append(
            {
                "type": "Location",
                "values": [region],
                "restrictionInfo": {"locations": [region]},
                "reasonCode": "NotAvailableForSubscription",
            }
        )
    withheld = list(zones) if region in size.restricted_in else list((size.zones_withheld or {}).get(region, ()))
    if withheld:
        restrictions.append(
            {
                "type": "Zone",
                "values": [region],
                "restrictionInfo": {"locations": [region], "zones": withheld},
                "reasonCode": "NotAvailableForSubscription",
            }
        )
    capabilities = {
        "MaxResourceVolumeMB": "16384",
        "OSVhdSizeMB": "1047552",
        "vCPUs": str(size.cores),
        "MemoryPreservingMaintenanceSupported": "True",
        "HyperVGenerations": size.generations,
        "MemoryGB": f"{size.memory_gb:g}",
        "MaxDataDiskCount": "4",
        "CpuArchitectureType": size.architecture,
        "LowPriorityCapable": str(not short.startswith("B")),
        "PremiumIO": str(size.premium_io),
        "VMDeploymentTypes": "IaaS",
        "vCPUsAvailable": str(size.cores),
        "vCPUsPerCore": "1" if size.architecture == "Arm64" else "2",
        "DiskControllerTypes": size.disk_controllers,
        "EphemeralOSDiskSupported": "True",
        "EncryptionAtHostSupported": "True",
        "AcceleratedNetworkingEnabled": str(size.cores > 1),
        "MaxNetworkInterfaces": str(size.max_nics),
    }
    if not size.trusted_launch:
        capabilities["TrustedLaunchDisabled"] = "True"
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": short,
        "family": size.family,
        "locations": [region],
        "locationInfo": [{"location": region, "zones": zones, "zoneDetails": []}],
        "capabilities": [{"name": name, "value": value} for name, value in capabilities.items()],
        "restrictions": restrictions,
    }
