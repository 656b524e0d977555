"""Builders where everything is well: a test changes the one thing it is about."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.hubs.model import (
    PROVISION,
    Acceptance,
    Attempt,
    Event,
    HttpsMode,
    HttpsSpec,
    Hub,
    HubSpec,
    InstallRecord,
    Life,
    Machine,
    Message,
    Notice,
    Operation,
    OperationStatus,
    Price,
    Schedule,
    SshAccess,
    StepRecord,
)
from shared.hubs.ports import DueRow, FailedDelivery, HubChange, HubSecrets, Idempotency, SinkRecord, TokenRecord
from shared.hubs.states import Goal, HubState
from shared.settings import Settings
from tests.support.clock import MONDAY_MORNING

OWNER = "jaydoe@example.com"
HUB_NAME = "physics"
HUB_ID = "physics-ab2cd3"


def some_settings(**environment: str) -> Settings:
    """Valid settings; keyword arguments are environment variables that replace or add."""
    return Settings.from_env(
        {
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "HUBLET_SEAL_KEYS": "k1:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
            "HUBLET_HTTPS_EMAIL": "hubs@example.org",
            "HUBLET_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
            **environment,
        }
    )


def a_spec(**changes: Any) -> HubSpec:
    spec = HubSpec(
        size="Standard_D2s_v3",
        region="eastus",
        admin_user="jaydoe",
        image="ubuntu-24.04",
        os_disk_gib=30,
        https=HttpsSpec(mode=HttpsMode.NONE),
    )
    return replace(spec, **changes)


def a_hub(**changes: Any) -> Hub:
    """A hub as accepting a request makes it: nothing done yet, not stored. Another `name` gets an id of its own."""
    name = changes.get("name", HUB_NAME)
    hub = Hub(
        owner=OWNER,
        name=name,
        id=HUB_ID if name == HUB_NAME else f"{name}-ab2cd3",
        state=HubState.ACCEPTED,
        goal=Goal.RUNNING,
        generation=1,
        pass_number=1,
        spec=a_spec(),
        created_at=MONDAY_MORNING,
        updated_at=MONDAY_MORNING,
        state_since=MONDAY_MORNING,
        created_by=OWNER,
        request_id="req-1",
        event_seq=1,
    )
    return replace(hub, **changes)


def a_ready_hub(**changes: Any) -> Hub:
    """The same hub half an hour later: every step done, accepted, locked."""
    start = MONDAY_MORNING
    end = start + timedelta(minutes=8)
    hub = a_hub(**{key: changes.pop(key) for key in ("name", "id") if key in changes})
    fqdn = f"{hub.id}.eastus.cloudapp.azure.com"
    group = f"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/{hub.group_name}/providers"
    ready = replace(
        hub,
        state=HubState.READY,
        pass_number=24,
        updated_at=end,
        state_since=end,
        attempts=(Attempt(number=1, region="eastus", size="Standard_D2s_v3", started_at=start),),
        steps={name: StepRecord(name=name, started_at=start, finished_at=end, tries=1) for name in PROVISION},
        machine=Machine(
            vm_id=f"{group}/Microsoft.Compute/virtualMachines/{hub.vm_name}",
            nic_id=f"{group}/Microsoft.Network/networkInterfaces/{hub.vm_name}-nic-1f2e",
            public_ip_id=f"{group}/Microsoft.Network/publicIPAddresses/{hub.vm_name}-ip-1f2e",
            ip="127.77.1.4",
            fqdn=fqdn,
            custom_data_sha256="0" * 64,
        ),
        install=InstallRecord(log_bytes=9000, output_bytes=20_000, phase="done", percent=100, message="Done!"),
        host_public_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKhost",),
        acceptance=Acceptance(passed_at=end, seconds=41.5, method="form"),
        ssh=SshAccess(port22="closed", closed_proven_at=end),
        url=f"http://{fqdn}/",
        price=Price(vm=0.096, disk=0.0066, ip=0.005, as_of=start),
        ready_at=end,
        event_seq=12,
    )
    return replace(ready, **changes)


def a_stopped_hub(**changes: Any) -> Hub:
    """The same hub, stopped by its owner an hour after it was ready: deallocated, no stop or start left undone."""
    asked = MONDAY_MORNING + timedelta(minutes=68)
    seen = asked + timedelta(minutes=2)
    ready = a_ready_hub(**{key: changes.pop(key) for key in ("name", "id") if key in changes})
    stopped = replace(
        ready,
        state=HubState.STOPPED,
        goal=Goal.STOPPED,
        generation=2,
        pass_number=4,
        updated_at=seen,
        state_since=seen,
        deallocated_at=seen,
        goal_since=asked,
        operation_kind="stop",
        life=Life(cursor=asked, stop_why="asked for"),
        event_seq=16,
    )
    return replace(stopped, **changes)


def a_schedule(**changes: Any) -> Schedule:
    """A class: weekdays from 08:30 to 19:00 in Berlin, which is 07:30 to 18:00 UTC in winter."""
    plan = Schedule(time_zone="Europe/Berlin", start="08:30", stop="19:00", days=("mon", "tue", "wed", "thu", "fri"))
    return replace(plan, **changes)


def an_event(seq: int = 1, **changes: Any) -> Event:
    event = Event(
        seq=seq,
        at=MONDAY_MORNING,
        actor=OWNER,
        kind="state",
        message="The request was accepted and queued.",
        to_state="accepted",
    )
    return replace(event, **changes)


def a_notice(seq: int = 2, **changes: Any) -> Notice:
    notice = Notice(
        hub_id=HUB_ID,
        owner=OWNER,
        seq=seq,
        type="io.hublet.hub.stopping-soon.v1",
        at=MONDAY_MORNING,
        hub_name=HUB_NAME,
        message="The hub stops in 15 minutes.",
        data={"minutes": 15},
    )
    return replace(notice, **changes)


def an_operation(**changes: Any) -> Operation:
    operation = Operation(
        hub_id=HUB_ID,
        hub_name=HUB_NAME,
        owner=OWNER,
        generation=1,
        kind="create",
        status=OperationStatus.NOT_STARTED,
        created_at=MONDAY_MORNING,
    )
    return replace(operation, **changes)


def an_accept(hub: Hub | None = None) -> HubChange:
    """What accepting a hub stores: the hub, its first event, its operation."""
    hub = hub or a_hub()
    operation = an_operation(hub_id=hub.id, hub_name=hub.name, owner=hub.owner, generation=hub.generation)
    return HubChange(hub=hub, events=(an_event(hub.event_seq),), operations=(operation,))


def an_idempotency(**changes: Any) -> Idempotency:
    record = Idempotency(
        key="1" * 64,
        body_sha256="2" * 64,
        hub_id=HUB_ID,
        hub_name=HUB_NAME,
        generation=1,
        created_at=MONDAY_MORNING,
    )
    return replace(record, **changes)


def a_message(**changes: Any) -> Message:
    message = Message(owner=OWNER, name=HUB_NAME, hub_id=HUB_ID, generation=1, pass_number=1, first_seen=MONDAY_MORNING)
    return replace(message, **changes)


def a_due_row(**changes: Any) -> DueRow:
    row = DueRow(
        at=MONDAY_MORNING, hub_id=HUB_ID, owner=OWNER, name=HUB_NAME, kind="advance", generation=1, pass_number=1
    )
    return replace(row, **changes)


def a_token(**changes: Any) -> TokenRecord:
    token = TokenRecord(
        id="abcdefghijkl",
        owner=OWNER,
        role="user",
        name="laptop",
        created_at=MONDAY_MORNING,
        created_by="admin",
    )
    return replace(token, **changes)


def some_secrets(**changes: Any) -> HubSecrets:
    """Shapes only: these keys open nothing. `FakeKeyMaker` makes working ones."""
    secrets = HubSecrets(
        host_private_key="host private key\n",
        host_public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKhost",
        installer_private_key="installer private key\n",
        installer_public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKinstaller",
        tunnel_private_key="tunnel private key\n",
        tunnel_public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtunnel",
        owner_private_key="owner private key\n",
        owner_public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKowner",
        admin_password="correct-horse-battery",
        admin_password_hash="$2b$04$abcdefghijklmnopqrstuuNotARealHash",
        hub_token="hub-token",
        acceptance_token="acceptance-token",
        acceptance_user="hublet-check-ab2cd3",
        acceptance_password="acceptance-password",
        acceptance_password_hash="$2b$04$abcdefghijklmnopqrstuuNotARealHashEither",
    )
    return replace(secrets, **changes)


def a_sink(**changes: Any) -> SinkRecord:
    """An owner's web hook that hears all but progress."""
    sink = SinkRecord(
        id="abcdefghijkl",
        owner=OWNER,
        url="https://hooks.example.org/hublet/u-4711?sig=s-4711",
        secret="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        created_at=MONDAY_MORNING,
        created_by=OWNER,
    )
    return replace(sink, **changes)


def a_failed_delivery(notice: Notice | None = None, **changes: Any) -> FailedDelivery:
    failed = FailedDelivery(
        sink_id="abcdefghijkl",
        notice=notice or a_notice(),
        failed_at=MONDAY_MORNING,
        code="SinkRefused",
        message="hooks.example.org answered with status 500.",
    )
    return replace(failed, **changes)
