"""Creating, finding, deleting and handing out, over fakes with memory."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import RetryableError, UserError
from shared.hubs import api_tokens, commands, handout, steer
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.model import OperationStatus, Principal, Role
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_spec
from tests.support.world import ADMIN, OWNER, World

OTHER = Principal("mallory")


async def create(world: World, key: str | None = None, body: str = "b1", name: str | None = "demo"):
    return await commands.create_hub(
        world.app,
        OWNER,
        a_spec(),
        name=name,
        idempotency=IdempotencyRequest(key, body) if key else None,
        request_id="r",
    )


async def refused(awaitable) -> str:
    with pytest.raises(UserError) as caught:
        await awaitable
    return caught.value.code


# ---- create


async def test_a_create_is_durable_before_it_answers():
    world = World()
    created = await create(world)
    assert created.hub.state is HubState.ACCEPTED
    assert created.operation.status is OperationStatus.NOT_STARTED
    assert world.storage.hubs.only_hub().id == created.hub.id
    assert [queued.hub_message.hub_id for queued in world.storage.queue.sent] == [created.hub.id]
    assert [row.hub_id for row in world.storage.due.rows.values()] == [created.hub.id]


async def test_message_and_due_row_come_before_the_row():
    world = World()
    await create(world)
    writes = world.storage.tape.writes
    assert set(writes[:2]) == {"queue.put", "due.put"}
    assert writes[2] == "hubs.create"


async def test_a_create_touches_no_azure_and_makes_no_keys():
    world = World()
    await create(world)
    assert world.cloud.groups == {}
    assert world.app.keys.made == []  # type: ignore[attr-defined]


async def test_default_names_follow_the_owner():
    world = World()
    names = [(await create(world, name=None)).hub.name for _ in range(3)]
    assert names == ["jaydoe-tljh", "jaydoe-tljh-2", "jaydoe-tljh-3"]


@pytest.mark.parametrize(("owner", "name"), [("windowsfan@example.org", "hub-tljh"), ("login", "hub-tljh")])
async def test_a_default_name_is_never_one_that_azure_refuses(owner: str, name: str):
    created = await commands.create_hub(
        World().app, Principal(owner), a_spec(), name=None, idempotency=None, request_id="r"
    )
    assert created.hub.name == name


async def test_a_name_is_unique_per_owner():
    world = World()
    await create(world)
    assert await refused(create(world)) == "HubAlreadyExists"
    assert len(world.storage.hubs.hubs) == 1


async def test_a_name_that_is_being_deleted_says_so():
    world = World()
    created = await create(world)
    await world.delete(created.hub)
    assert await refused(create(world)) == "HubIsBeingDeleted"


async def test_a_name_whose_hub_went_between_two_readings_is_not_said_to_be_taken(monkeypatch: pytest.MonkeyPatch):
    world = World()
    await create(world)

    async def gone(owner: str, name: str) -> None:
        """The deletion ended after the list of names was read."""

    monkeypatch.setattr(world.storage.hubs, "get", gone)
    assert await refused(create(world)) == "HubIsBeingDeleted"


async def test_the_hub_quota_is_a_limit():
    world = World()
    for number in range(world.app.settings.max_hubs_per_owner):
        await create(world, name=f"hub{number}")
    assert await refused(create(world, name="one-more")) == "HubQuotaExceeded"


async def test_the_same_key_and_body_answer_the_same_hub():
    world = World()
    first = await create(world, key="k")
    second = await create(world, key="k")
    assert (second.hub.id, second.operation.id, second.replayed) == (first.hub.id, first.operation.id, True)
    assert len(world.storage.queue.sent) == 1


async def test_the_same_key_with_another_body_is_refused_and_changes_nothing():
    world = World()
    await create(world, key="k")
    assert await refused(create(world, key="k", body="b2", name="other")) == "IdempotencyKeyReused"
    assert len(world.storage.hubs.hubs) == 1


async def test_a_create_that_storage_refuses_is_never_acknowledged_and_nothing_is_made():
    world = World()
    world.storage.tape.fail("hubs.create", RetryableError("StorageUnavailable", "no"))
    with pytest.raises(RetryableError):
        await create(world)
    await world.run(lambda: False, limit_s=300)
    assert world.cloud.groups == {}
    assert not world.storage.queue.waiting


# ---- find


async def test_a_foreign_hub_answers_exactly_like_a_missing_one():
    world = World()
    created = await create(world)
    await world.run(lambda: world.storage.hubs.only_hub().state is not HubState.ACCEPTED)
    for name in (created.hub.name, created.hub.id):
        with pytest.raises(UserError) as foreign:
            await commands.find_hub(world.app, OTHER, name)
        with pytest.raises(UserError) as missing:
            await commands.find_hub(World().app, OTHER, name)
        assert (foreign.value.code, foreign.value.message) == (missing.value.code, missing.value.message)


async def test_admins_reach_any_hub_by_id_and_only_by_id():
    world = World()
    created = await create(world)
    await world.run(lambda: world.storage.hubs.only_hub().state is not HubState.ACCEPTED)
    assert (await commands.find_hub(world.app, ADMIN, created.hub.id)).id == created.hub.id
    assert await refused(commands.find_hub(world.app, ADMIN, created.hub.name)) == "HubNotFound"


async def test_only_admins_list_other_owners():
    world = World()
    await create(world)
    await world.run(lambda: world.storage.hubs.only_hub().state is not HubState.ACCEPTED)
    assert await refused(commands.list_hubs(world.app, OTHER, owner="jaydoe")) == "Forbidden"
    assert [hub.name for hub in await commands.list_hubs(world.app, ADMIN, owner="*")] == ["demo"]
    assert await commands.list_hubs(world.app, OTHER) == []


async def test_an_operation_of_somebody_else_is_not_found():
    world = World()
    created = await create(world)
    await world.run(lambda: world.storage.hubs.only_hub().state is not HubState.ACCEPTED)
    assert await refused(commands.find_operation(world.app, OTHER, created.operation.id)) == "OperationNotFound"
    found, hub = await commands.find_operation(world.app, OWNER, created.operation.id)
    assert found.id == created.operation.id
    assert hub is not None


@pytest.mark.parametrize("odd", ["", ".", "demo", "demo.x", "demo-abcdef.99999999999", "demo-abcdef.-1", "../x.1"])
async def test_an_odd_operation_id_is_not_found(odd: str):
    assert await refused(commands.find_operation(World().app, OWNER, odd)) == "OperationNotFound"


# ---- delete


async def test_deleting_twice_is_one_operation():
    world = World()
    created = await create(world)
    first = await steer.delete_hub(world.app, created.hub, world.asking())
    again = await steer.delete_hub(world.app, first.hub, world.asking())
    assert first.operation.id == again.operation.id
    assert again.hub.goal is Goal.DELETED


async def test_a_delete_cancels_the_create():
    world = World()
    created = await create(world)
    await world.delete(created.hub)
    operation = await world.app.hubs.operation(OWNER.owner, created.hub.id, 1)
    assert operation is not None
    assert operation.status is OperationStatus.CANCELED


async def test_a_delete_with_an_old_row_still_wins():
    world = World()
    created = await create(world)
    await world.run(lambda: world.storage.hubs.only_hub().state is not HubState.ACCEPTED)
    stale = replace(created.hub, state=HubState.ACCEPTED)
    answered = await steer.delete_hub(world.app, stale, world.asking())
    assert answered.hub.goal is Goal.DELETED


# ---- hand out


async def hub_with_secrets(world: World):
    hub = (await create(world)).hub
    secrets = await world.app.keys.make(hub, world.app.entropy)
    await world.app.secrets.create(hub.owner, hub.id, secrets)
    return hub, secrets


@pytest.mark.parametrize("what", ["ssh-key", "admin-password"])
async def test_before_there_are_keys_it_is_not_ready_yet(what):
    world = World()
    hub = (await create(world)).hub
    assert await refused(handout.hand_out(world.app, OWNER, hub, what)) == "NotReadyYet"


@pytest.mark.parametrize("what", ["ssh-key", "admin-password"])
async def test_a_secret_is_handed_out_again_for_ten_minutes_and_then_erased(what):
    world = World()
    hub, _ = await hub_with_secrets(world)
    first = await handout.hand_out(world.app, OWNER, hub, what)
    world.clock.advance(timedelta(minutes=9, seconds=59))
    assert (await handout.hand_out(world.app, OWNER, hub, what)).value == first.value
    world.clock.advance(2)
    assert await refused(handout.hand_out(world.app, OWNER, hub, what)) == "AlreadyHandedOut"
    kept = await world.app.secrets.get(hub.owner, hub.id)
    assert kept is not None
    assert (kept.owner_private_key if what == "ssh-key" else kept.admin_password) is None
    assert await refused(handout.hand_out(world.app, OWNER, hub, what)) == "AlreadyHandedOut"


@pytest.mark.parametrize("what", ["ssh-key", "admin-password"])
async def test_a_secret_that_was_handed_out_is_erased_by_the_timer_even_if_nobody_asks_again(what):
    world = World()
    hub, _ = await hub_with_secrets(world)
    await handout.hand_out(world.app, OWNER, hub, what)
    world.clock.advance(timedelta(minutes=10))
    await world.tick()
    kept = await world.app.secrets.get(hub.owner, hub.id)
    assert kept is not None
    assert (kept.owner_private_key if what == "ssh-key" else kept.admin_password) is None
    assert (kept.admin_password if what == "ssh-key" else kept.owner_private_key) is not None


async def test_a_second_principal_does_not_get_it():
    world = World()
    hub, _ = await hub_with_secrets(world)
    await handout.hand_out(world.app, OWNER, hub, "ssh-key")
    assert await refused(handout.hand_out(world.app, ADMIN, hub, "ssh-key")) == "AlreadyHandedOut"


async def test_with_an_own_public_key_there_is_no_private_key_to_give():
    hub = a_hub(spec=a_spec(ssh_public_key="ssh-ed25519 AAAA"))
    assert await refused(handout.hand_out(World().app, OWNER, hub, "ssh-key")) == "SshKeyIsYours"


# ---- tokens


async def test_a_token_is_shown_once_and_only_its_hash_is_kept():
    world = World()
    record, token = await api_tokens.issue_token(
        world.app, ADMIN, owner="ada", role=Role.USER, name="laptop", expires_at=None
    )
    assert token.startswith(f"hlt_{record.id}_")
    secret = token.split("_", 2)[2]
    assert secret not in repr(vars(world.storage.tokens))


async def test_only_admins_manage_tokens():
    world = World()
    assert await refused(api_tokens.list_tokens(world.app, OWNER)) == "Forbidden"
    assert await refused(api_tokens.revoke_token(world.app, OWNER, "x")) == "Forbidden"
    assert await refused(api_tokens.revoke_token(world.app, ADMIN, "x")) == "TokenNotFound"
