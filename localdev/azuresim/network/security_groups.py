"""Network security groups."""

from datetime import datetime

from localdev.azuresim.envelope import Response
from localdev.azuresim.names import NETWORK_NAME
from localdev.azuresim.network import errors
from localdev.azuresim.network.models import SecurityGroup
from localdev.azuresim.network.rules import Rule, check_conflicts
from localdev.azuresim.network.writes import NetworkType
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.tracked import tags_of


class SecurityGroups(NetworkType[SecurityGroup]):
    """PUT replaces all rules; they filter once the operation has succeeded."""

    PUT_RETRY_AFTER_S = None

    def __init__(self, services: Services) -> None:
        super().__init__(services, SecurityGroup, name_rule=NETWORK_NAME, provider_not_found=errors.not_found)

    def put(self, call: Call) -> Response:
        """201 or 200 ``Updating``, with the six default rules already there."""
        existing, location = self.check_put(call)
        group_id = existing.id if existing else self.new_id(call)
        rules = tuple(Rule.parse(body, group_id) for body in call.properties().get("securityRules") or [])
        check_conflicts(rules)
        if existing is not None:
            self.services.store.touch(existing, call.now)
            existing.rules = rules
            existing.tags = tags_of(call.body)
            return self.write(call, existing, new=False)
        etag, guid = self.fresh()
        group = SecurityGroup(
            id=group_id,
            name=call.params["name"],
            group=self.group_name(call),
            location=location,
            created=call.now,
            tags=tags_of(call.body),
            etag=etag,
            resource_guid=guid,
            rules=rules,
        )
        return self.write(call, group, new=True)

    async def on_written(self, resource: SecurityGroup, moment: datetime) -> None:
        resource.in_force = resource.rules

    def check_deletable(self, resource: SecurityGroup, call: Call) -> None:
        users = self.services.store.users_of(resource.id)
        if users:
            raise errors.security_group_in_use(resource.id, users)
