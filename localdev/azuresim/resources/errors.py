"""What Azure Resource Manager itself refuses.

Texts as recorded (test recordings of Azure/azure-sdk-for-python, Azure/azure-libraries-for-java) or quoted in public
issues; all carry ``x-ms-failure-cause: gateway``.
"""

from collections.abc import Iterable

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.envelope import ArmError, gateway_error


def resource_not_found(kind: str, name: str, group: str) -> ArmError:
    """404 of a tracked resource."""
    return gateway_error(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def parent_not_found(parent: str) -> ArmError:
    """404 of a write below something that is not there."""
    return gateway_error(
        404,
        "ParentResourceNotFound",
        f"Can not perform requested operation on nested resource. Parent resource '{parent}' not found.",
    )


def group_not_found(group: str) -> ArmError:
    """404 of a group, also for everything below it."""
    return gateway_error(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def group_being_deleted(group: str) -> ArmError:
    """409 of any write into a group on its way out."""
    return gateway_error(
        409,
        "ResourceGroupBeingDeleted",
        f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
    )


def group_location_conflict(wanted: str, group_location: str) -> ArmError:
    """409 of a group PUT with another location than it has."""
    return gateway_error(
        409,
        "InvalidResourceGroupLocation",
        f"Invalid resource group location '{wanted}'. "
        f"The Resource group already exists in location '{group_location}'.",
    )


def bad_group_name(name: str) -> ArmError:
    """400 of a group name ARM does not accept."""
    return gateway_error(
        400,
        "InvalidResourceGroup",
        f"The provided resource group name '{name}' is not valid: up to 90 letters, digits, '_', '-', '.', '(', ')', "
        "and no period at its end.",
    )


def bad_resource_name(name: str, kind: str) -> ArmError:
    """400 of a resource name the type does not accept."""
    return gateway_error(
        400, "InvalidResourceName", f"Resource name {name} is invalid. The name does not follow the rules of {kind}."
    )


def location_not_available(location: str, kind: str) -> ArmError:
    """400 of a region that does not exist or does not offer the type."""
    regions = ",".join(REGIONS)
    if kind == "resource group":
        return gateway_error(
            400,
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{location}' is not available for resource group. "
            f"List of available regions is '{regions}'.",
        )
    return gateway_error(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{kind}'. "
        f"List of available regions for the resource type is '{regions}'.",
    )


def location_conflict(name: str, has: str, wanted: str, group: str) -> ArmError:
    """409 of a PUT that would move a resource."""
    return gateway_error(
        409,
        "InvalidResourceLocation",
        f"The resource '{name}' already exists in location '{has}' in resource group '{group}'. A resource with the "
        f"same name cannot be created in location '{wanted}'. Please select a new resource name.",
    )


def bad_tags(problem: str) -> ArmError:
    """400 of tags ARM does not accept."""
    return gateway_error(400, "InvalidTags", problem)


def bad_content(why: str) -> ArmError:
    """400 of a body that is not what was expected."""
    return gateway_error(
        400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{why}'."
    )


def bad_filter(text: str) -> ArmError:
    """400 of a ``$filter`` that cannot be read."""
    return gateway_error(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")


def not_registered(namespace: str) -> ArmError:
    """409 of a provider the subscription has not been registered for."""
    message = (
        f"The subscription is not registered to use namespace '{namespace}'. "
        "See https://aka.ms/rps-not-found for how to register subscriptions."
    )
    code = "MissingSubscriptionRegistration"
    return gateway_error(409, code, message, details=[{"code": code, "target": namespace, "message": message}])


def subscription_not_found(subscription: str) -> ArmError:
    """404 of a subscription that is not the simulated one."""
    return gateway_error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def missing_api_version() -> ArmError:
    """400 of a request without ``api-version``."""
    return gateway_error(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )


def bad_api_version(version: str) -> ArmError:
    """400 of an ``api-version`` that is not a date."""
    return gateway_error(
        400,
        "InvalidApiVersionParameter",
        f"The api-version '{version}' is invalid. The supported versions are dates such as '2025-04-01'.",
    )


def not_simulated(method: str, path: str) -> ArmError:
    """501 of everything this simulator has no handler for."""
    return ArmError(501, "NotSimulated", f"The simulated Azure has no operation for {method} {path}.")


def deletion_blocked(group: str, why: str, blockers: Iterable[tuple[str, str]], tracking: str) -> ArmError:
    """409 in PascalCase at the end of a group delete that failed; `blockers` are (resource id, message)."""
    held = list(blockers)
    names = ",".join(resource_id.partition("/providers/")[2] for resource_id, _ in held)
    return ArmError(
        409,
        "ResourceGroupDeletionBlocked",
        f"Deletion of resource group '{group}' failed as resources with identifiers '{names}' could not be deleted. "
        "The provisioning state of the resource group will be rolled back. "
        f"The tracking Id is '{tracking}'. Please check audit logs for more details.",
        details=[{"Code": None, "Target": where, "Message": why or text, "Details": None} for where, text in held],
    )
