"""Reading a VM's body and refusing what compute refuses before it starts any work."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, cast

from localdev.azuresim.catalogue import REGIONS, SIZES, Image, Size, find_image, find_size, offered
from localdev.azuresim.compute import errors
from localdev.azuresim.compute.models import NicReference, OsDisk
from localdev.azuresim.compute.ssh_keys import acceptable
from localdev.azuresim.envelope import Json
from localdev.azuresim.names import admin_name_allowed

#: 64 KiB less one byte, which is 87,380 characters of Base64.
MAX_CUSTOM_DATA = 65_535

_ECHOED = ("securityProfile", "diagnosticsProfile", "priority", "evictionPolicy", "billingProfile", "licenseType")


@dataclass(frozen=True)
class WantedMachine:
    """A VM's body, checked and with defaults filled in."""

    size: Size
    image: Image
    image_reference: Json
    os_disk: OsDisk
    os_profile: Json
    custom_data: bytes | None
    nics: tuple[NicReference, ...]
    inline: tuple[Json, ...]
    network_api_version: str | None
    zones: tuple[str, ...]
    extra: Json

    @property
    def spot(self) -> bool:
        return str(self.extra.get("priority", "Regular")).lower() in ("spot", "low")


def part(body: Json, name: str) -> Json:
    """An object inside a body; empty when absent."""
    found = body.get(name)
    return cast(Json, found) if isinstance(found, dict) else {}


def read_machine(name: str, location: str, body: Json, properties: Json) -> WantedMachine:
    """Check a VM PUT.

    Raises:
        ArmError: what is missing, unknown, malformed or does not go together.
    """
    size = read_size(part(properties, "hardwareProfile").get("vmSize"), location)
    storage = part(properties, "storageProfile")
    image, reference = _read_image(part(storage, "imageReference"))
    trusted = wants_trusted_launch(properties)
    check_fit(size, architecture=image.architecture, generation=image.generation, trusted_launch=trusted)
    if trusted and image.generation != "V2":
        raise errors.no_trusted_launch(f"image '{reference['offer']}:{reference['sku']}' of Generation 1")
    os_profile, custom_data = _read_os_profile(name, part(properties, "osProfile"))
    nics, inline, version = _read_network(part(properties, "networkProfile"))
    zones = tuple(str(zone) for zone in body.get("zones") or ())
    known = REGIONS[location].zones
    if zones and not known:
        raise errors.no_zones_here(location)
    if len(zones) > 1:
        raise errors.invalid("zones", "A virtual machine is placed in one availability zone.")
    if any(zone not in known for zone in zones):
        raise errors.no_such_zone(name, zones, location, known)
    return WantedMachine(
        size=size,
        image=image,
        image_reference=reference,
        os_disk=_read_os_disk(part(storage, "osDisk"), image),
        os_profile=os_profile,
        custom_data=custom_data,
        nics=nics,
        inline=inline,
        network_api_version=version,
        zones=zones,
        extra={key: properties[key] for key in _ECHOED if properties.get(key) is not None},
    )


def read_size(name: object, location: str) -> Size:
    """The size called `name`.

    Raises:
        ArmError: 400 when there is none, or not in this region.
    """
    if not isinstance(name, str) or not name:
        raise errors.missing("vmSize")
    size = find_size(name)
    here = (each.name for each in SIZES.values() if offered(each, location))
    if size is None:
        raise errors.unknown_size(name, location, here)
    if not offered(size, location):
        raise errors.size_not_in_region(size.name, here)
    return size


def check_fit(size: Size, *, architecture: str, generation: str, trusted_launch: bool) -> None:
    """Refuse a size that cannot boot such a disk.

    Raises:
        ArmError: 400 of another architecture or generation, or of TrustedLaunch.
    """
    if architecture != size.architecture:
        raise errors.wrong_architecture(size.name, size.architecture, architecture)
    if generation not in size.generations.split(","):
        raise errors.wrong_generation(size.name, generation.removeprefix("V"))
    if trusted_launch and not size.trusted_launch:
        raise errors.no_trusted_launch(f"VM size '{size.name}'")


def wants_trusted_launch(properties: Json) -> bool:
    """Whether the security profile asks for TrustedLaunch."""
    return str(part(properties, "securityProfile").get("securityType", "")).lower() == "trustedlaunch"


def _read_image(reference: Json) -> tuple[Image, Json]:
    for needed in ("publisher", "offer", "sku", "version"):
        if not reference.get(needed):
            raise errors.missing("imageReference" if not reference else f"imageReference.{needed}")
    image = find_image(reference["publisher"], reference["offer"], reference["sku"])
    version = str(reference["version"])
    if image is None or (version.lower() != "latest" and version not in image.versions):
        raise errors.no_such_image(":".join(str(reference[k]) for k in ("publisher", "offer", "sku", "version")))
    exact = image.versions[-1] if version.lower() == "latest" else version
    echoed = {key: reference[key] for key in ("publisher", "offer", "sku", "version")}
    return image, {**echoed, "exactVersion": exact}


def _read_os_disk(disk: Json, image: Image) -> OsDisk:
    if str(disk.get("createOption", "")).lower() != "fromimage":
        raise errors.invalid("osDisk.createOption", "A VM made from an image needs createOption FromImage.")
    size_gb = disk.get("diskSizeGB") or image.disk_gb
    if not isinstance(size_gb, int) or not image.disk_gb <= size_gb <= 4095:
        raise errors.invalid(
            "osDisk.diskSizeGB",
            f"The specified disk size {size_gb} GB is smaller than the size of the corresponding disk in the VM image: "
            f"{image.disk_gb} GB. This is not allowed. Please choose equal or greater size or do not specify an "
            "explicit size.",
        )
    return OsDisk(
        name=disk.get("name"),
        size_gb=size_gb,
        storage_type=str(part(disk, "managedDisk").get("storageAccountType") or "Standard_LRS"),
        caching=str(disk.get("caching") or "ReadWrite"),
        delete_option=str(disk.get("deleteOption") or "Detach"),
    )


def _read_os_profile(vm_name: str, profile: Json) -> tuple[Json, bytes | None]:
    if not profile:
        raise errors.missing("osProfile")
    computer = str(profile.get("computerName") or vm_name)
    if len(computer) > 64:
        raise errors.invalid("computerName", "Linux host name cannot exceed 64 characters in length.")
    admin = profile.get("adminUsername")
    if not isinstance(admin, str) or not admin:
        raise errors.missing("adminUsername")
    if not admin_name_allowed(admin):
        raise errors.invalid(
            "adminUsername",
            "The Admin Username specified is not allowed. For more information about disallowed usernames, see "
            "https://aka.ms/vmosprofile",
        )
    linux = part(profile, "linuxConfiguration")
    locked = bool(linux.get("disablePasswordAuthentication", False))
    keys = _read_keys(part(linux, "ssh").get("publicKeys") or [], admin)
    if not locked and not profile.get("adminPassword"):
        raise errors.missing("adminPassword")
    if locked and not keys:
        raise errors.invalid(
            "linuxConfiguration",
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
        )
    configuration: Json = {"disablePasswordAuthentication": locked}
    if keys:
        configuration["ssh"] = {"publicKeys": keys}
    patches = {"patchMode": "ImageDefault", "assessmentMode": "ImageDefault"} | part(linux, "patchSettings")
    configuration |= {"provisionVMAgent": bool(linux.get("provisionVMAgent", True)), "patchSettings": patches}
    echoed: Json = {
        "computerName": computer,
        "adminUsername": admin,
        "linuxConfiguration": configuration,
        "secrets": [],
        "allowExtensionOperations": bool(profile.get("allowExtensionOperations", True)),
        "requireGuestProvisionSignal": True,
    }
    return echoed, _read_custom_data(profile.get("customData"))


def _read_keys(keys: list[Any], admin: str) -> list[Json]:
    home = f"/home/{admin}/.ssh/authorized_keys"
    for key in keys:
        if not acceptable(key.get("keyData")):
            raise errors.invalid(
                "linuxConfiguration.ssh.publicKeys.keyData",
                "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.",
            )
        if key.get("path") != home:
            raise errors.invalid(
                "linuxConfiguration.ssh.publicKeys.path",
                f"Destination path for SSH public keys is currently limited to its default value {home} due to a known "
                "issue in Linux provisioning agent.",
            )
    return [{"path": key["path"], "keyData": key["keyData"]} for key in keys]


def _read_custom_data(text: object) -> bytes | None:
    if text is None:
        return None
    try:
        data = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or len(data) > MAX_CUSTOM_DATA:
        raise errors.invalid(
            "customData",
            "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.",
        )
    return data


def _read_network(profile: Json) -> tuple[tuple[NicReference, ...], tuple[Json, ...], str | None]:
    references = profile.get("networkInterfaces") or []
    inline = profile.get("networkInterfaceConfigurations") or []
    if references and inline:
        raise errors.invalid(
            "networkProfile",
            "networkInterfaces and networkInterfaceConfigurations cannot both be given in networkProfile.",
        )
    if not references and not inline:
        raise errors.missing("networkProfile.networkInterfaces")
    version = profile.get("networkApiVersion")
    if inline and not version:
        raise errors.missing("networkProfile.networkApiVersion")
    for each in inline:
        if not each.get("name") or not (each.get("properties") or {}).get("ipConfigurations"):
            raise errors.missing("networkInterfaceConfigurations.ipConfigurations")
    nics = tuple(
        NicReference(id=str(each.get("id")), properties=dict(each.get("properties") or {})) for each in references
    )
    return nics, tuple(inline), version
