"""Where the simulator is known to differ from recorded answers: pattern of the field's path to the reason.

The reasons are those of ``docs/azuresim-differences.md``, word for word; a test compares them.
"""

from collections.abc import Mapping

_WINDOWS = "Windows is not simulated"
_DATA_DISKS = "data disks are not simulated"
_UNMANAGED = "unmanaged disks are not simulated"
_PLACEMENT = "availability sets and placement groups are not simulated"
_EXTENSIONS = "VM extensions are not simulated"
_POLICY = "nobody adds tags, identities or applications that were not asked for"
_OLD = "fields of old api-versions: one shape is answered for all of them"
_ASG = "application security groups are not simulated"
_DISK_PUT = "a disk cannot be created on its own"
_UPDATES = "patching and update domains are not simulated"
_BLOCKS = "secondary address blocks are not simulated"
_INLINE = "until a VM has succeeded it shows the inline interfaces it was sent, not those that are being made"
_NOTED = "seen in other recordings than the stored ones"

KNOWN_MISSING: Mapping[str, Mapping[str, str]] = {
    "VirtualMachines": {
        r"properties\.osProfile\.windowsConfiguration": _WINDOWS,
        r"properties\.licenseType": _WINDOWS,
        r"properties\.storageProfile\.dataDisks\..*": _DATA_DISKS,
        r"properties\.storageProfile\.osDisk\.vhd": _UNMANAGED,
        r"properties\.diagnosticsProfile\.bootDiagnostics\.storageUri": _UNMANAGED,
        r"properties\.availabilitySet": _PLACEMENT,
        r"properties\.proximityPlacementGroup": _PLACEMENT,
        r"properties\.instanceView\.(extensions|vmAgent\.extensionHandlers)": _EXTENSIONS,
        r"properties\.extensionsTimeBudget": _EXTENSIONS,
        r"resources": _EXTENSIONS,
        r"identity": _POLICY,
        r"managedBy": _POLICY,
        r"properties\.applicationProfile": _POLICY,
        r"properties\.userData": "userData is accepted and not kept",
    },
    "VirtualMachines_InstanceView": {
        r"(extensions|vmAgent\.extensionHandlers)": _EXTENSIONS,
        r"(patchStatus|platformFaultDomain|platformUpdateDomain|isVMInStandbyPool)": _UPDATES,
        r"bootDiagnostics": "boot diagnostics are not part of the instance view",
    },
    "DiskOperations": {r"properties": _DISK_PUT},
    "NetworkSecurityGroups": {
        r"properties\.securityRules\.properties\.sourceApplicationSecurityGroups": _ASG,
        r"properties\.flushConnection": _OLD,
    },
    "VirtualNetworks": {r"properties\.(enableVmProtection|subnets\.properties\.subnetID)": _OLD},
    "NetworkInterfaces": {r"properties\.ipConfigurations\.properties\.privateIPAddressPrefixLength": _BLOCKS},
    "ResourceSkus": {r"locationInfo\.zoneDetails": "zones have no details"},
}

KNOWN_EXTRA: Mapping[str, Mapping[str, str]] = {
    "VirtualMachines": {
        r"properties\.networkProfile\.(networkApiVersion|networkInterfaceConfigurations)": _INLINE,
        r"properties\.networkProfile\.networkInterfaces\.properties\.deleteOption": _NOTED,
        r"properties\.osProfile\.linuxConfiguration\.patchSettings\.assessmentMode": _NOTED,
    },
    "VirtualNetworks": {r"properties\.subnets\.properties\.(ipConfigurations|networkSecurityGroup)": _NOTED},
    "NetworkSecurityGroups": {r"properties\.subnets": _NOTED},
}

#: Official examples give a 200 beside the 202 for the synchronous case, which no recording shows.
STATUS_ONLY_IN_EXAMPLES: frozenset[tuple[str, int]] = frozenset(
    {
        ("VirtualMachines_Start", 200),
        ("VirtualMachines_Restart", 200),
        ("VirtualMachines_Deallocate", 200),
        ("VirtualMachines_Delete", 200),
        ("PublicIPAddresses_Delete", 200),
    }
)
