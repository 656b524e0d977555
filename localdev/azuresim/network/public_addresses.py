"""Public IP addresses: Standard and static only, as Azure sells them since 2025."""

from collections.abc import Sequence
from datetime import datetime

from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.identifiers import new_etag, new_guid, new_hex
from localdev.azuresim.names import DNS_LABEL, NETWORK_NAME
from localdev.azuresim.network import errors
from localdev.azuresim.network.models import PublicAddress
from localdev.azuresim.network.writes import NetworkType
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.store import ProvisioningState
from localdev.azuresim.tracked import tags_of


class PublicAddresses(NetworkType[PublicAddress]):
    """The name (fqdn) is there at once, the address only after the operation has succeeded."""

    PUT_RETRY_AFTER_S = 1.0

    def __init__(self, services: Services) -> None:
        super().__init__(services, PublicAddress, name_rule=NETWORK_NAME, provider_not_found=errors.not_found)

    def put(self, call: Call) -> Response:
        existing, location = self.check_put(call)
        wanted = self.describe(
            call.params["name"],
            existing.id if existing else self.new_id(call),
            self.group_name(call),
            location,
            {**call.body, "tags": tags_of(call.body)},
            call.now,
            existing,
        )
        return self.write(call, wanted, new=existing is None)

    def describe(
        self,
        name: str,
        address_id: str,
        group: str,
        location: str,
        body: Json,
        now: datetime,
        existing: PublicAddress | None = None,
    ) -> PublicAddress:
        """Check a public IP's body and make the resource of it, or change `existing`; also for inline ones.

        Raises:
            ArmError: Basic sku, dynamic, bad or taken label, quota, idle timeout.
        """
        properties: Json = body.get("properties") or {}
        if str((body.get("sku") or {}).get("name", "Basic")).lower() != "standard":
            raise errors.basic_retired()
        if str(properties.get("publicIPAllocationMethod", "Dynamic")).lower() != "static":
            raise errors.standard_must_be_static(address_id)
        idle = properties.get("idleTimeoutInMinutes", 4)
        if not isinstance(idle, int) or not 4 <= idle <= 30:
            raise errors.bad_idle_timeout(name)
        dns: Json = properties.get("dnsSettings") or {}
        label = dns.get("domainNameLabel")
        scope = dns.get("domainNameLabelScope")
        if existing is None:
            self._check_quota(location)
            existing = PublicAddress(
                id=address_id,
                name=name,
                group=group,
                location=location,
                created=now,
                etag=new_etag(self.services.rng),
                resource_guid=new_guid(self.services.rng),
                zones=tuple(body.get("zones") or ()),
                tier=str((body.get("sku") or {}).get("tier") or "Regional"),
            )
        else:
            self.services.store.touch(existing, now)
        if label is not None:
            self._check_label(str(label), scope, location, address_id)
        if label != existing.label or scope != existing.label_scope:
            existing.label, existing.label_scope = label, scope
            existing.label_hash = new_hex(self.services.rng, 16) if label and scope else None
        existing.idle_timeout_min = idle
        existing.tags = body.get("tags")
        return existing

    def _check_label(self, label: str, scope: str | None, location: str, address_id: str) -> None:
        if not DNS_LABEL.fullmatch(label):
            raise errors.bad_label(label)
        holder = self.holder_of(label, location)
        if holder is not None and not scope and holder.id.lower() != address_id.lower():
            raise errors.label_in_use(label, location)

    def _check_quota(self, location: str) -> None:
        limit = self.services.settings.quota(location, "PublicIPAddresses", "PublicIPAddresses")
        if sum(address.location == location for address in self.services.store.every(PublicAddress)) >= limit:
            raise errors.too_many_addresses(limit)

    def holder_of(self, label: str, location: str) -> PublicAddress | None:
        """Whose plain (unscoped) label this is in the region."""
        for address in self.services.store.every(PublicAddress):
            if address.label == label and address.location == location and address.label_hash is None:
                return address
        return None

    async def on_written(self, resource: PublicAddress, moment: datetime) -> None:
        if resource.reserved is None:
            resource.reserved = await self.services.runtime.reserve_address(resource.id)

    async def on_deleted(self, resource: PublicAddress, moment: datetime) -> None:
        await self.services.runtime.delete(resource.id)

    def check_deletable(self, resource: PublicAddress, call: Call) -> None:
        users: Sequence[str] = self.services.store.users_of(resource.id)
        if users:
            raise errors.public_ip_in_use(resource.id, users[0])

    def check_name(self, call: Call) -> Response:
        """``checkDnsNameAvailability``."""
        label = call.query.get("domainnamelabel", "")
        if not DNS_LABEL.fullmatch(label):
            raise errors.bad_label(label)
        location = call.params["location"].replace(" ", "").lower()
        return Response(200, {"available": self.holder_of(label, location) is None})

    def settle_inline(self, address: PublicAddress, reserved: str) -> None:
        """Finish a public IP that came with a VM."""
        address.reserved = reserved
        address.state = ProvisioningState.SUCCEEDED
        self.services.store.save(address)
