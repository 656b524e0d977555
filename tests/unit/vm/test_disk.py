"""Nothing a VM names is outside its disk."""

from pathlib import Path

import pytest

from localdev.azuresim.vm import accounts
from localdev.azuresim.vm.disk import Disk


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    root = tmp_path / "disk"
    root.mkdir()
    (tmp_path / "secret").write_text("of the machine")
    return Disk(root)


@pytest.mark.parametrize("path", ["/../secret", "/a/../../../secret", "/../../../../../../etc/passwd", "/./.."])
def test_dots_stop_at_the_root(disk: Disk, path: str) -> None:
    assert disk.path(path).is_relative_to(disk.root)


def test_links_are_followed_as_a_chroot_would(disk: Disk, tmp_path: Path) -> None:
    disk.write("/opt/real/file", "inside")
    (disk.root / "absolute").symlink_to("/opt/real")
    (disk.root / "relative").symlink_to("opt/real")
    (disk.root / "prefixed").symlink_to(disk.root / "opt" / "real")
    (disk.root / "outside").symlink_to(tmp_path / "secret")
    (disk.root / "upwards").symlink_to("../secret")
    for name in ("absolute", "relative", "prefixed"):
        assert disk.text(f"/{name}/file") == "inside"
    for name in ("outside", "upwards"):
        assert not disk.exists(f"/{name}")
        assert disk.path(f"/{name}").is_relative_to(disk.root)


def test_link_loops_end(disk: Disk) -> None:
    (disk.root / "a").symlink_to("b")
    (disk.root / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        disk.path("/a")


def test_programs_may_name_files_with_or_without_the_prefix(disk: Disk) -> None:
    assert disk.inside(f"{disk.root}/etc/x") == "/etc/x"
    assert disk.inside("/etc/x") == "/etc/x"
    assert disk.inside("x", f"{disk.root}/etc") == "/etc/x"


def test_files_have_their_mode_and_read_only_ones_can_grow(disk: Disk) -> None:
    disk.append("/log", "a", 0o500)
    disk.append("/log", "b", 0o500)
    assert disk.text("/log") == "ab"
    assert disk.path("/log").stat().st_mode & 0o777 == 0o500


def test_accounts_are_made_once_and_removed_with_their_home(disk: Disk) -> None:
    accounts.add(disk, "ann", gecos="A:nn")
    assert accounts.add(disk, "ann") == accounts.accounts(disk)["ann"]
    accounts.authorize(disk, accounts.accounts(disk)["ann"], ["key"])
    accounts.authorize(disk, accounts.accounts(disk)["ann"], ["key"])
    assert accounts.authorized(disk, "ann") == "key\n"
    assert accounts.remove(disk, "ann", with_home=True)
    assert not disk.exists("/home/ann")
    assert not accounts.remove(disk, "ann", with_home=True)
    with pytest.raises(ValueError, match="invalid"):
        accounts.add(disk, "a:b")


def test_sudo_is_for_the_programs_of_the_rule(disk: Disk) -> None:
    accounts.allow_sudo(disk, "hublet", ["ALL=(root) NOPASSWD: /usr/local/lib/hublet/agent"])
    accounts.allow_sudo(disk, "owner", ["ALL=(ALL) NOPASSWD:ALL"])
    assert accounts.may_sudo(disk, "hublet", "/usr/local/lib/hublet/agent")
    assert not accounts.may_sudo(disk, "hublet", "ALL")
    assert accounts.may_sudo(disk, "owner", "/bin/anything")
    assert not accounts.may_sudo(disk, "other", "/bin/anything")
