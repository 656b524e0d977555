"""What Microsoft.DevTestLab refuses.

`InvalidScheduleId` and `IncorrectRequiredProperties` with their texts as quoted in public issues (Azure/bicep#4944,
Azure/bicep#8122, Azure/azure-powershell#20467).  Which of them answers a wrong time, status, location or notification
is not known; they all get the second one here.
"""

from localdev.azuresim.envelope import ArmError, gateway_error


def not_found(resource_id: str) -> ArmError:
    """404 just after a delete; the provider's own words are not recorded."""
    return ArmError(404, "NotFound", f"The resource {resource_id} was not found.")


def incorrect(name: str, allowed: str) -> ArmError:
    """400 of a property that is missing or has a value that is not accepted."""
    return ArmError(
        400, "IncorrectRequiredProperties", f"Incorrect required property '{name}'. Allowed values: {allowed}"
    )


def wrong_place(subscription: str, group: str, name: str) -> ArmError:
    """400 of a schedule that is not called and placed as its VM demands."""
    return ArmError(
        400,
        "InvalidScheduleId",
        f"The schedule should be created in subscription {subscription}, resource group {group} and with name {name}",
    )


def unsupported_version(version: str, location: str, supported: str) -> ArmError:
    """400 of an ``api-version`` the type does not have: callers of generic operations choose it themselves."""
    return gateway_error(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '{location}' and API version '{version}' for type "
        f"'schedules'. The supported api-versions are '{supported}'.",
    )
