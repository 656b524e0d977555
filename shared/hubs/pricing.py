"""The retail price of a hub's specification."""

from typing import TYPE_CHECKING

from shared.hubs.model import HubSpec, Price

if TYPE_CHECKING:
    from shared.app import App


async def price_of(app: "App", spec: HubSpec, *, size: str | None = None, region: str | None = None) -> Price | None:
    """Price per hour by part (VM by its size, or another one's, also elsewhere; OS disk, public IP), or None when the
    price list does not say."""
    parts = await app.catalog.hourly_price(
        region or spec.region, size or spec.size, os_disk_gib=spec.os_disk_gib, spot=spec.spot
    )
    if parts is None:
        return None
    return Price(vm=parts.vm, disk=parts.disk, ip=parts.ip, as_of=parts.as_of)
