"""The one table of what Azure says no with, and what each no means for us.

It holds for the first answer to a request and for the later look at its operation: Azure uses the same codes in both.
Where a code is used for different things the row also needs a fragment of the text. `tests/data/arm_errors/` holds
one real body for each row.
"""

from dataclasses import dataclass
from enum import StrEnum

_TROUBLE = "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/"
_COMMON = _TROUBLE + "common-deployment-errors"
_ALLOCATION = "https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/allocation-failure"
_SKU = _TROUBLE + "error-sku-not-available"
_QUOTA = _TROUBLE + "error-resource-quota"
_ZONES = "https://learn.microsoft.com/azure/reliability/availability-zones-overview"
_THROTTLED = "https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"
_COMPUTE_THROTTLED = "https://learn.microsoft.com/azure/virtual-machines/compute-throttling-limits"
_POLICY = _TROUBLE + "error-policy-requestdisallowedbypolicy"
_PROVIDER = _TROUBLE + "error-register-resource-provider"
_NOT_FOUND = _TROUBLE + "error-not-found"
_LOCK = "https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources"
_ROLES = "https://learn.microsoft.com/azure/role-based-access-control/troubleshooting"
_VM_PUT = "https://learn.microsoft.com/rest/api/compute/virtual-machines/create-or-update"
_VM_STATES = "https://learn.microsoft.com/azure/virtual-machines/states-billing"
_OS_TIMEOUT = (
    "https://learn.microsoft.com/troubleshoot/azure/virtual-machines/linux/troubleshoot-deployment-new-vm-linux"
)
_GROUP_DELETE = "https://learn.microsoft.com/azure/azure-resource-manager/management/delete-resource-group"
_NIC = "https://learn.microsoft.com/azure/virtual-network/virtual-network-network-interface"
_BASIC_IP = "https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-basic-upgrade-guidance"
_PUBLIC_IP = "https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses"
_NSG = "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview"
_SUBNET = "https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet"
_RESIZE = "https://learn.microsoft.com/azure/virtual-machines/sizes/resize-vm"
_AUTO_SHUTDOWN = "https://learn.microsoft.com/azure/virtual-machines/auto-shutdown-vm"


class Kind(StrEnum):
    """By what the caller must do (shared/errors.py)."""

    RETRYABLE = "Retryable"
    CAPACITY = "Capacity"
    USER = "User"
    FATAL = "Fatal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row. `code` and `text` are compared without regard to case; the first row that fits decides.

    `public_code`: ours, where Azure's says something else than what happened. `quote`: Azure's own sentence is of use
    to the owner and is added. `retry_after_s`: how long to wait when Azure names no time.
    """

    code: str
    kind: Kind
    message: str
    doc: str
    fix: str = ""
    text: str = ""
    public_code: str = ""
    quote: bool = False
    retry_after_s: float | None = None


_OTHER_SIZE = "Choose another size or region, or try again later."
_MORE_QUOTA = "Ask the operator to raise this quota of the Azure subscription, or choose a smaller or another size."
_MORE_REGIONAL = "Ask the operator to raise this quota of the Azure subscription, or choose another region."
_ASK_ROLE = "Operator: give the app's identity the role of infra/ on the subscription; it takes effect after minutes."
_OUR_BUG = "Report this to the operator: the request this service made is wrong."
_BY_ITSELF = "Nothing to do: it is tried again by itself."

_FULL = "Azure has no capacity for this VM size in this region at the moment."
_NO_ADDRESS = "The Azure subscription's quota of public IPs in this region is used up."
_NO_ZONE = "This VM size cannot be had in this availability zone."
_BUSY = "Azure is still working on an earlier change of the same resource."
_SLOW_DOWN = "Azure asks this service to send fewer requests."
_NOT_THERE = "Azure does not find a resource that this step needs (it may not be visible yet)."
_IN_USE = "Azure still counts this resource as used by another one."
_TROUBLED = "Azure had an internal problem."
_WRONG_REQUEST = "Azure refused the request as wrong."


def _capacity(code: str, message: str, doc: str, fix: str, *, public_code: str = "", text: str = "") -> Refusal:
    return Refusal(
        code=code, kind=Kind.CAPACITY, message=message, doc=doc, fix=fix, public_code=public_code, text=text, quote=True
    )


def _retry(
    code: str, message: str, doc: str, *, text: str = "", public_code: str = "", retry_after_s: float | None = None
) -> Refusal:
    return Refusal(
        code=code,
        kind=Kind.RETRYABLE,
        message=message,
        doc=doc,
        fix=_BY_ITSELF,
        text=text,
        public_code=public_code,
        retry_after_s=retry_after_s,
    )


def _user(code: str, message: str, doc: str, fix: str) -> Refusal:
    return Refusal(code=code, kind=Kind.USER, message=message, doc=doc, fix=fix, quote=True)


def _fatal(code: str, message: str, doc: str, fix: str = _OUR_BUG, *, quote: bool = False) -> Refusal:
    return Refusal(code=code, kind=Kind.FATAL, message=message, doc=doc, fix=fix, quote=quote)


REFUSALS: tuple[Refusal, ...] = (
    # -- too many requests. Compute's own throttling comes with the code of a quota: the text tells them apart.
    _retry(
        "OperationNotAllowed",
        _SLOW_DOWN,
        _COMPUTE_THROTTLED,
        text="too many requests",
        public_code="AzureThrottled",
    ),
    _retry("TooManyRequests", _SLOW_DOWN, _THROTTLED, public_code="AzureThrottled"),
    _retry("SubscriptionRequestsThrottled", _SLOW_DOWN, _THROTTLED, public_code="AzureThrottled"),
    _retry("ResourceRequestsThrottled", _SLOW_DOWN, _THROTTLED, public_code="AzureThrottled"),
    # -- no room, or no quota
    _capacity("SkuNotAvailable", "This VM size is not available in this region.", _SKU, _OTHER_SIZE),
    _capacity("AllocationFailed", _FULL, _ALLOCATION, _OTHER_SIZE),
    _capacity("ZonalAllocationFailed", _FULL, _ALLOCATION, _OTHER_SIZE),
    _capacity("OverconstrainedAllocationRequest", _FULL, _ALLOCATION, _OTHER_SIZE),
    _capacity("OverconstrainedZonalAllocationRequest", _FULL, _ALLOCATION, _OTHER_SIZE),
    # A region's cores are a quota of all sizes together (Spot machines have one of their own); what else is called a
    # quota counts the cores of one family of sizes, so another size may still be had.
    *(
        _capacity(
            code,
            f"The Azure subscription's quota of {cores} in this region is used up.",
            _QUOTA,
            _MORE_REGIONAL,
            public_code="RegionalQuotaExceeded",
            text=text,
        )
        for code, text, cores in (
            ("OperationNotAllowed", "total regional cores quota", "processor cores"),
            ("OperationNotAllowed", "quota limits of core.", "processor cores"),  # as it was worded until about 2017
            ("OperationNotAllowed", "lowprioritycores quota", "processor cores of Spot machines"),
            ("QuotaExceeded", "total regional cores quota", "processor cores"),
        )
    ),
    _capacity(
        "OperationNotAllowed",
        "The Azure subscription's quota of processor cores of this family of sizes is used up.",
        _QUOTA,
        _MORE_QUOTA,
        public_code="QuotaExceeded",
        text="quota",
    ),
    _capacity("QuotaExceeded", "A quota of the Azure subscription is used up.", _QUOTA, _MORE_QUOTA),
    # A size this machine or region cannot have, said with codes that say other things elsewhere.
    _capacity(
        "OperationNotAllowed",
        "This VM size is not available where the machine is placed at the moment.",
        _RESIZE,
        _OTHER_SIZE,
        public_code="SkuNotAvailable",
        text="current hardware cluster",
    ),
    _capacity(
        "OperationNotAllowed",
        "This machine cannot get this VM size: one of the two sizes has a temporary disk and the other has none.",
        _RESIZE,
        "Choose a size of the same kind (with or without a temporary disk).",
        public_code="SkuNotAvailable",
        text="non-resource disk",
    ),
    _capacity(
        "InvalidParameter",
        "This VM size is not available in this region.",
        _SKU,
        _OTHER_SIZE,
        public_code="SkuNotAvailable",
        text="is not available in the current region",
    ),
    _capacity(
        "InvalidParameter",
        "This region does not have this VM size.",
        _SKU,
        _OTHER_SIZE,
        public_code="SkuNotAvailable",
        text="provided for the vm size is not valid",
    ),
    _capacity(
        "BadRequest",
        "This VM size cannot start the machine's disk: it is for another generation of machines.",
        _RESIZE,
        "Choose a size of the second generation.",
        public_code="SkuNotAvailable",
        text="cannot boot hypervisor generation",
    ),
    _capacity(
        "BadRequest",
        "This VM size cannot have Trusted Launch, which every hub's machine has.",
        _RESIZE,
        "Choose a size that supports Trusted Launch.",
        public_code="SkuNotAvailable",
        text="is not supported for creation of vms",
    ),
    _capacity("PublicIPCountLimitReached", _NO_ADDRESS, _QUOTA, _MORE_REGIONAL),
    _capacity(
        "IPv4StandardSkuPublicIpCountLimitReached",
        _NO_ADDRESS,
        _QUOTA,
        _MORE_REGIONAL,
        public_code="PublicIPCountLimitReached",
    ),
    # A zone that the size does not have there, or a region without zones: another zone, or none, may do.
    _capacity("AvailabilityZoneNotSupported", _NO_ZONE, _ZONES, _OTHER_SIZE),
    _capacity(
        "ResourceTypeNotSupportAvailabilityZones",
        _NO_ZONE,
        _ZONES,
        _OTHER_SIZE,
        public_code="AvailabilityZoneNotSupported",
    ),
    # -- not now
    _retry(
        "OperationNotAllowed", "The VM is not in the power state this needs.", _VM_STATES, text="the vm to be running"
    ),
    _retry("OperationNotAllowed", "The VM is not in the power state this needs.", _VM_STATES, text="the vm is running"),
    _retry("AnotherOperationInProgress", _BUSY, _COMMON),
    _retry("Conflict", _BUSY, _COMMON, retry_after_s=10),  # compute's word for it
    _retry("OperationPreempted", "A later change of the same resource has taken this one's place.", _COMMON),
    _retry("ReferencedResourceNotProvisioned", _BUSY, _COMMON),
    _retry("RetryableError", _BUSY, _COMMON, retry_after_s=15),  # comes with status 429
    _retry(
        "NicReservedForAnotherVm", "Azure keeps a network interface reserved for 180 seconds.", _NIC, retry_after_s=180
    ),
    _retry("ResourceGroupBeingDeleted", "The resource group is being deleted.", _GROUP_DELETE, retry_after_s=30),
    _retry("ResourceGroupDeletionTimeout", "Azure did not finish deleting in time and goes on.", _GROUP_DELETE),
    _retry("ResourceGroupDeletionBlocked", "Azure could not delete everything yet.", _GROUP_DELETE, retry_after_s=60),
    _retry("ResourceGroupNotFound", _NOT_THERE, _NOT_FOUND),
    _retry("ResourceNotFound", _NOT_THERE, _NOT_FOUND),
    _retry("ParentResourceNotFound", _NOT_THERE, _TROUBLE + "error-parent-resource"),
    _retry("NotFound", _NOT_THERE, _NOT_FOUND),
    _retry("InvalidResourceReference", _NOT_THERE, _NOT_FOUND),
    _retry("NicInUse", _IN_USE, _NIC),
    _retry("InUseSubnetCannotBeDeleted", _IN_USE, _SUBNET),
    _retry("PublicIPAddressCannotBeDeleted", _IN_USE, _PUBLIC_IP),
    _retry("InUseNetworkSecurityGroupCannotBeDeleted", _IN_USE, _NSG),
    _retry("MultipleErrorsOccurred", _TROUBLED, _COMMON),
    _retry("InternalServerError", _TROUBLED, _COMMON),
    _retry("InternalExecutionError", _TROUBLED, _COMMON),
    _retry("ResourceReadFailed", _TROUBLED, _COMMON),
    # -- what was asked for
    _user("DnsRecordInUse", "The DNS name of this hub is taken in this region.", _PUBLIC_IP, "Create the hub again."),
    _user(
        "InvalidParameter", _WRONG_REQUEST, _VM_PUT, "Change the part that the message names and create the hub again."
    ),
    # -- what a person must put right, or what is our bug
    _fatal("AuthorizationFailed", "This service may not do that in the Azure subscription.", _ROLES, _ASK_ROLE),
    _fatal("LinkedAuthorizationFailed", "This service may not use a linked Azure resource.", _ROLES, _ASK_ROLE),
    _fatal(
        "RequestDisallowedByPolicy",
        "A policy of the Azure subscription forbids this resource.",
        _POLICY,
        "Operator: exempt resource groups named hublet-* from the policy, or meet it.",
        quote=True,
    ),
    _fatal("ScopeLocked", "A lock on the Azure side forbids this.", _LOCK, "Operator: remove the lock from the group."),
    _fatal(
        "MissingSubscriptionRegistration",
        "The Azure subscription is not registered for a resource provider that hubs need.",
        _PROVIDER,
        "Operator: register the resource provider that Azure names once (`az provider register`).",
        quote=True,
    ),
    # The subscription is paid for again one day: hubs wait as long as their step may, nothing is torn down for it.
    Refusal(
        code="ReadOnlyDisabledSubscription",
        kind=Kind.RETRYABLE,
        message="The Azure subscription is disabled.",
        doc="https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-disabled",
        fix="Operator: enable the subscription again.",
        retry_after_s=300,
    ),
    _fatal("PropertyChangeNotAllowed", "Azure does not let this be changed on an existing VM.", _VM_PUT, quote=True),
    _fatal(
        "LocationNotAvailableForResourceType",
        "Azure does not offer this kind of resource in this region.",
        _COMMON,
        "Operator: take the region out of the allowed ones, or do without what this resource is for.",
        quote=True,
    ),
    _fatal("IncorrectRequiredProperties", "Azure refused a daily shutdown as wrong.", _AUTO_SHUTDOWN),
    _fatal("InvalidScheduleId", "Azure refused a daily shutdown as wrong.", _AUTO_SHUTDOWN),
    _fatal("InvalidResourceGroupLocation", "The resource group exists in another region.", _COMMON),
    _fatal("IPv4BasicSkuPublicIpCountLimitReached", "Azure no longer makes Basic public IPs.", _BASIC_IP),
    _fatal("InvalidRequestContent", _WRONG_REQUEST, _COMMON),
    _fatal("InvalidRequestFormat", _WRONG_REQUEST, _COMMON),
    _fatal("InvalidDomainNameLabel", "Azure does not accept this hub's DNS name.", _PUBLIC_IP, quote=True),
    _fatal("NetcfgInvalidSubnet", _WRONG_REQUEST, _SUBNET),
    _fatal("SecurityRuleInvalidPortRange", _WRONG_REQUEST, _NSG),
    _fatal("SecurityRuleInvalidAddressPrefix", "Azure does not accept an address that may use SSH.", _NSG, quote=True),
    _fatal("SecurityRuleInvalidPriority", _WRONG_REQUEST, _NSG),
    _fatal(
        "OSProvisioningTimedOut",
        "The machine did not report in time that it has started.",
        _OS_TIMEOUT,
        "Delete the hub and create it again, in another region if it repeats.",
    ),
)
