"""What Microsoft.Network refuses; every answer carries ``details: []``.

Codes, statuses and texts as recorded (Azure/azure-sdk-for-python, Azure/azure-libraries-for-net session records) or
quoted in public issues (hashicorp/terraform-provider-azurerm, Azure/azure-cli); several are 400 where one expects 409.
The text of `SubnetIsFull` is written from memory: rely on codes, never on texts.
"""

from collections.abc import Iterable

from localdev.azuresim.envelope import ArmError


def _error(status: int, code: str, message: str) -> ArmError:
    return ArmError(status, code, message, details=[])


def not_found(resource_id: str) -> ArmError:
    """404 in the provider's own words: nested resources, and tracked ones just after their delete."""
    return _error(404, "NotFound", f"Resource {resource_id} not found.")


def bad_reference(referenced: str, by: str) -> ArmError:
    """400 of a reference to something that is not there, or is in another region."""
    return _error(
        400,
        "InvalidResourceReference",
        f"Resource {referenced} referenced by resource {by} was not found. Please make sure that the referenced "
        "resource exists, and that both resources are in the same region.",
    )


def reference_not_ready(referenced: str, by: str, state: str) -> ArmError:
    """409 of a reference to something that is still being written."""
    return _error(
        409,
        "ReferencedResourceNotProvisioned",
        f"Cannot proceed with operation because resource {referenced} used by resource {by} is not in Succeeded state. "
        f"Resource is in {state} state.",
    )


def busy(operation_id: str | None) -> ArmError:
    """409 of a write on top of another one; the "uri" is a bare id, as recorded."""
    return _error(
        409,
        "AnotherOperationInProgress",
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: "
        f"{operation_id or ''}.",
    )


def subnet_in_use(subnet: str, user: str) -> ArmError:
    """400, also of a VNet PUT that leaves the subnet out."""
    return _error(
        400,
        "InUseSubnetCannotBeDeleted",
        f"Subnet {subnet} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the "
        "resources within the subnet. See aka.ms/deletesubnet.",
    )


def security_group_in_use(group_id: str, users: Iterable[str]) -> ArmError:
    """400 of deleting an NSG that something uses."""
    return _error(
        400,
        "InUseNetworkSecurityGroupCannotBeDeleted",
        f"Network security group {group_id} cannot be deleted because it is in use by the following resources: "
        f"{', '.join(users)}. In order to delete the Network security group, remove the association with the "
        "resource(s).",
    )


def public_ip_in_use(address_id: str, user: str) -> ArmError:
    """400 of deleting a public IP that is attached; the two blanks are Azure's."""
    return _error(
        400,
        "PublicIPAddressCannotBeDeleted",
        f"Public IP address {address_id} can not be deleted since it is still allocated to resource {user}. In order "
        "to delete the public IP, disassociate/detach the Public IP address from the resource.  "
        "To learn how to do this, see aka.ms/deletepublicip.",
    )


def public_ip_taken(address_id: str, by: str, user: str) -> ArmError:
    """400 of a second interface on one public IP."""
    return _error(
        400,
        "PublicIPAddressInUse",
        f"Resource {by} is referencing public IP address {address_id} that is already allocated to resource {user}.",
    )


def interface_in_use(interface_id: str, vm_id: str) -> ArmError:
    """400 of deleting (or giving away) an interface a VM uses."""
    return _error(
        400,
        "NicInUse",
        f"Network Interface {interface_id} is used by existing resource {vm_id}. In order to delete the network "
        "interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.",
    )


def interface_reserved(vm_id: str) -> ArmError:
    """400 within 180 s of a VM's failed create or its delete."""
    return _error(
        400,
        "NicReservedForAnotherVm",
        "Nic(s) in request is reserved for another Virtual Machine for 180 seconds. Please provide another nic(s) or "
        f"retry after 180 seconds. Reserved VM: {vm_id}",
    )


def label_in_use(label: str, location: str) -> ArmError:
    """400 of a DNS label another public IP has."""
    return _error(
        400,
        "DnsRecordInUse",
        f"DNS record {label}.{location}.cloudapp.azure.com is already used by another public IP.",
    )


def bad_label(label: str) -> ArmError:
    """400 of a DNS label that breaks the rule."""
    return _error(
        400,
        "InvalidDomainNameLabel",
        f"The domain name label {label} is invalid. It must conform to the following regular expression: "
        "^[a-z][a-z0-9-]{1,61}[a-z0-9]$.",
    )


def basic_retired() -> ArmError:
    """400 of every public IP without sku Standard since 2025."""
    return _error(
        400,
        "IPv4BasicSkuPublicIpCountLimitReached",
        "Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.",
    )


def standard_must_be_static(address_id: str) -> ArmError:
    """400 of a dynamic Standard address."""
    return _error(
        400,
        "StandardSkuPublicIPAddressesMustBeStatic",
        f"Standard sku publicIp {address_id} must have AllocationMethod set to Static.",
    )


def too_many_addresses(limit: int) -> ArmError:
    """400 of one public IP more than the quota."""
    return _error(
        400,
        "PublicIPCountLimitReached",
        f"Cannot create more than {limit} public IP addresses for this subscription in this region.",
    )


def bad_idle_timeout(name: str) -> ArmError:
    """400 of an idle timeout out of range."""
    return _error(
        400,
        "PublicIPIdleTimeoutIsOutOfRange",
        f"Public IP address {name} has invalid Idle Timeout. The value must be between 4 and 30.",
    )


def bad_subnet(subnet: str, vnet: str) -> ArmError:
    """400 of a subnet outside its network's address space, or overlapping another one."""
    return _error(400, "NetcfgInvalidSubnet", f"Subnet '{subnet}' is not valid in virtual network '{vnet}'.")


def subnet_full(subnet: str, prefix: str) -> ArmError:
    """400 of one address more than a subnet holds."""
    return _error(
        400,
        "SubnetIsFull",
        f"Subnet {subnet} with address prefix {prefix} does not have enough capacity for 1 IP addresses.",
    )


def bad_prefix(prefix: str, resource_id: str) -> ArmError:
    """400 of something that is not a CIDR block."""
    return _error(
        400,
        "InvalidAddressPrefixFormat",
        f"Address prefix {prefix} of resource {resource_id} is not formatted correctly. It should follow CIDR "
        "notation, for example 10.0.0.0/24.",
    )


def bad_rule_port(value: str) -> ArmError:
    """400 of a port range."""
    return _error(
        400,
        "SecurityRuleInvalidPortRange",
        f"Security rule has invalid Port range. Value provided: {value}. Value should be an integer OR integer range "
        "with '-' delimiter. Valid range 0-65535.",
    )


def bad_rule_prefix(rule_id: str, value: str) -> ArmError:
    """400 of an address prefix."""
    return _error(
        400,
        "SecurityRuleInvalidAddressPrefix",
        f"Security rule {rule_id} has invalid Address prefix. Value provided: {value}",
    )


def bad_rule_priority(value: object) -> ArmError:
    """400 of a priority out of range."""
    return _error(
        400,
        "SecurityRuleInvalidPriority",
        f"Security rule has invalid Priority. Value provided: {value} Allowed range 100-4096.",
    )


def rules_conflict(first: str, second: str) -> ArmError:
    """400 of two rules with the same priority in the same direction."""
    return _error(
        400,
        "SecurityRuleConflict",
        f"Security rule {first} conflicts with rule {second}. Rules cannot have the same Priority and Direction.",
    )


def missing(parameter: str, where: str) -> ArmError:
    """400 of a request that leaves out what it must say."""
    return _error(400, "InvalidRequestFormat", f"Cannot parse the request. Required member '{parameter}' of {where}.")


def operation_not_found(operation_id: str) -> ArmError:
    """404 of an operation nobody knows (any more)."""
    return _error(404, "OperationNotFound", f"Operation {operation_id} not found.")
