"""What Microsoft.Compute refuses; ``target`` names the property at fault, ``details`` is left out.

Codes, statuses and texts as recorded (Azure/azure-libraries-for-java, Azure/azure-sdk-for-python test recordings) or
quoted in public issues (Azure/azure-cli, hashicorp/terraform-provider-azurerm, Azure/AKS), but for the texts about
images, architecture, generation and `Conflict`, which are written from memory: rely on codes, never on texts.
"""

from collections.abc import Iterable

from localdev.azuresim.envelope import ArmError


def not_found(resource_id: str) -> ArmError:
    """404 in the provider's own words, just after a delete."""
    return ArmError(404, "NotFound", "The entity was not found in this Azure location.")


def invalid(target: str, message: str) -> ArmError:
    """400 of a value that is not accepted."""
    return ArmError(400, "InvalidParameter", message, target=target)


def missing(name: str) -> ArmError:
    """400 of a value that is needed."""
    return invalid(name, f"Required parameter '{name}' is missing (null).")


def change_not_allowed(name: str) -> ArmError:
    """409 of changing what cannot change."""
    return ArmError(409, "PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", target=name)


def conflict() -> ArmError:
    """409 of a write on top of another one."""
    return ArmError(
        409,
        "Conflict",
        "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
        "https://aka.ms/activitylog to get more details on the conflicting requests.",
    )


def not_allowed(message: str) -> ArmError:
    """409 with compute's most overloaded code."""
    return ArmError(409, "OperationNotAllowed", message)


def deallocated_already(operation: str, vm_name: str) -> ArmError:
    """409 of switching off what has no hardware (quoted in hashicorp/terraform-provider-azurerm#28218)."""
    return not_allowed(
        f"Operation '{operation}' is not allowed on VM '{vm_name}' since the VM is either deallocated or marked to be "
        "deallocated."
    )


def no_such_size_here(vm_name: str, size: str, known: Iterable[str]) -> ArmError:
    """409 of a resize for which a VM would have to leave the hardware it is on (quoted in
    microsoft/service-fabric-issues#472): deallocated, it may have the size and is refused when it starts."""
    return ArmError(
        409,
        "OperationNotAllowed",
        f"Unable to resize the VM '{vm_name}' because the requested size {size} is not available in the current "
        f"hardware cluster. The available sizes in this cluster are: {','.join(known)}. Read more on VM resizing "
        "strategy at https://aka.ms/azure-resizevm.",
        target="vmSize",
    )


def quota_exceeded(what: str, region: str, limit: int, used: int, wanted: int) -> ArmError:
    """409 of more cores than approved: the same code as many refusals that are not about quota."""
    return not_allowed(
        f"Operation could not be completed as it results in exceeding approved {what} quota. Additional details - "
        f"Deployment Model: Resource Manager, Location: {region}, Current Limit: {limit}, Current Usage: {used}, "
        f"Additional Required: {wanted}, (Minimum) New Limit Required: {used + wanted}. Setup Alerts when Quota "
        "reaches threshold. Learn more at https://aka.ms/quotamonitoringalerting . Submit a request for Quota increase."
    )


def size_not_in_region(size: str, known: Iterable[str]) -> ArmError:
    """400 of a size that other regions have (quoted in PaloAltoNetworks/azure-applicationgateway#1)."""
    return invalid(
        "vmSize",
        f"The requested VM size {size} is not available in the current region. The sizes available in the current "
        f"region are: {','.join(known)}. Find out more on the available VM sizes in each region at "
        "https://aka.ms/azure-regions.",
    )


def unknown_size(size: str, region: str, known: Iterable[str]) -> ArmError:
    """400 of a size nobody knows."""
    return invalid(
        "vmSize",
        f"The value {size} provided for the VM size is not valid. The valid sizes in the current region {region} are: "
        f"{','.join(known)}. Find out more on the valid VM sizes in each region at "
        "https://aka.ms/azure-regionservices.",
    )


def size_restricted(vm_id: str, region: str, zones: Iterable[str], subscription: str) -> ArmError:
    """409 of a size this subscription may not use there."""
    return ArmError(
        409,
        "SkuNotAvailable",
        f"The requested size for resource '{vm_id}' is currently not available in location '{region}' zones "
        f"'{','.join(zones)}' for subscription '{subscription}'. Please try another size or deploy to a different "
        "location or zones. See https://aka.ms/azureskunotavailable for details.",
    )


def no_such_zone(vm_name: str, zones: Iterable[str], region: str, known: Iterable[str]) -> ArmError:
    """400 of a zone the region does not have."""
    return ArmError(
        400,
        "AvailabilityZoneNotSupported",
        f"The zone(s) '{','.join(zones)}' for resource 'Microsoft.Compute/virtualMachines/{vm_name}' is not supported. "
        f"The supported zones for location '{region}' are '{','.join(known)}'",
    )


def no_zones_here(region: str) -> ArmError:
    """400 of a zone in a region that has none (quoted in kubernetes-sigs/cluster-api-provider-azure#294)."""
    return ArmError(
        400,
        "ResourceTypeNotSupportAvailabilityZones",
        f"The resource type 'virtualMachines' does not support availability zones at location '{region}' and "
        "api-version '2024-07-01'.",
    )


def allocation_failed(size: str, zones: tuple[str, ...]) -> ArmError:
    """The end of an operation that found no room; only ever in the poll."""
    if zones:
        return ArmError(
            409,
            "ZonalAllocationFailed",
            f"Allocation failed. We do not have sufficient capacity for the requested VM size {size} in zone "
            f"{zones[0]}. Read more about improving likelihood of allocation success at "
            "http://aka.ms/allocation-guidance",
        )
    return ArmError(
        409,
        "AllocationFailed",
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more "
        "about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
    )


def no_such_image(urn: str) -> ArmError:
    """404 of a platform image that does not exist."""
    return ArmError(
        404,
        "PlatformImageNotFound",
        f"The platform image '{urn}' is not available. Verify that all fields in the storage profile are correct. For "
        "more details about storage profile information, please refer to https://aka.ms/storageprofile",
        target="imageReference",
    )


def wrong_architecture(size: str, size_architecture: str, image_architecture: str) -> ArmError:
    """400 of an x64 image on an Arm64 size, or the reverse."""
    return invalid(
        "vmSize",
        f"Cannot create a VM of size '{size}' because this VM size only supports a CPU Architecture of "
        f"'{size_architecture}', but an image or disk with CPU Architecture '{image_architecture}' was given. Please "
        "check that the CPU Architecture of the image or disk is compatible with that of the VM size.",
    )


def wrong_generation(size: str, generation: str) -> ArmError:
    """400 of a generation the size cannot boot."""
    return ArmError(
        400,
        "BadRequest",
        f"The selected VM size '{size}' cannot boot Hypervisor Generation '{generation}'. If this was a Create "
        "operation please check that the Hypervisor Generation of the Image matches the Hypervisor Generation of the "
        "selected VM Size. If this was an Update operation please select a Hypervisor Generation "
        f"'{generation}' VM Size.",
    )


def no_trusted_launch(what: str) -> ArmError:
    """400 of TrustedLaunch on a size or image that cannot do it."""
    return ArmError(
        400,
        "BadRequest",
        f"The {what} is not supported for creation of VMs and Virtual Machine Scale Set with 'TrustedLaunch' "
        "security type.",
    )


def disk_in_use(disk: str, vm_id: str) -> ArmError:
    """409 of deleting a disk a VM has."""
    return not_allowed(f"Disk {disk} is attached to VM {vm_id}.")


def operation_not_found(operation_id: str) -> ArmError:
    """404 of an operation nobody knows (any more)."""
    return ArmError(404, "NotFound", f"The operation {operation_id} was not found.")


def no_such_interface(interface_id: str, vm_id: str) -> ArmError:
    """400 of an interface that is absent or in another region."""
    return ArmError(
        400,
        "InvalidResourceReference",
        f"Resource {interface_id} referenced by resource {vm_id} was not found. Please make sure that the referenced "
        "resource exists, and that both resources are in the same region.",
        details=[],
    )
