"""The one composition root: `App` holds the ports, `build_app` is the only place that makes adapters."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.clock import Clock, OffsetClock, StorageTime
from shared.hubs import ports
from shared.settings import Settings


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything the domain talks to. Tests build one out of fakes."""

    settings: Settings
    clock: Clock
    entropy: ports.Entropy
    keys: ports.KeyMaker
    hubs: ports.HubStore
    index: ports.HubIndex
    queue: ports.WorkQueue
    due: ports.DueTable
    logs: ports.LogStore
    secrets: ports.SecretStore
    tokens: ports.TokenStore
    cache: ports.Cache
    identity: ports.DeploymentIdentity
    groups: ports.ResourceGroups
    network: ports.Network
    compute: ports.Compute
    operations: ports.LongOperations
    gate: ports.AzureGate
    catalog: ports.Catalog
    on_vm: ports.OnVm
    hub_api: ports.HubApi
    shutdowns: ports.DailyShutdowns
    outbox: ports.Outbox
    notices: ports.NoticeQueue
    sinks: Sequence[ports.Sink]
    sink_store: ports.SinkStore
    outbound: ports.Outbound
    chat: ports.ChatStore
    hub_http: ports.HubHttp
    reach: ports.Reach


def build_app(settings: Settings) -> App:
    """Makes the real adapters. Cheap and without I/O: each adapter imports its SDK and opens its client at first use,
    because the Functions host imports this module just to list the functions."""
    from shared.adapters.arm.catalog import RetailCatalog
    from shared.adapters.arm.client import ArmClients
    from shared.adapters.arm.compute import ArmCompute
    from shared.adapters.arm.groups import ArmResourceGroups
    from shared.adapters.arm.network import ArmNetwork
    from shared.adapters.arm.operations import ArmLongOperations
    from shared.adapters.arm.probe import ArmProbe
    from shared.adapters.arm.shutdowns import ArmDailyShutdowns
    from shared.adapters.entropy import SystemEntropy
    from shared.adapters.hub_api import JupyterHubApi
    from shared.adapters.hub_http import BrowserHubHttp
    from shared.adapters.keys import OpenSshKeyMaker
    from shared.adapters.notify.console import ConsoleSink
    from shared.adapters.notify.slack import SlackSink
    from shared.adapters.notify.teams import TeamsSink
    from shared.adapters.notify.webhooks import WebhookSink
    from shared.adapters.outbound import GuardedOutbound
    from shared.adapters.reach import make_reach
    from shared.adapters.ssh.client import SshAgent
    from shared.adapters.storage.cache import TableCache
    from shared.adapters.storage.chat import TableChatStore
    from shared.adapters.storage.client import StorageClients
    from shared.adapters.storage.due import TableDue
    from shared.adapters.storage.gate import TableGateRow
    from shared.adapters.storage.hub_table import TableHubStore
    from shared.adapters.storage.identity import StoredDeploymentIdentity
    from shared.adapters.storage.index import TableHubIndex
    from shared.adapters.storage.logs import TableLogStore
    from shared.adapters.storage.notice_queue import StorageNoticeQueue
    from shared.adapters.storage.outbox import TableOutbox
    from shared.adapters.storage.secrets import SealedSecretStore
    from shared.adapters.storage.sinks import TableSinkStore
    from shared.adapters.storage.tokens import TableTokenStore
    from shared.adapters.storage.work_queue import StorageWorkQueue
    from shared.hubs.gate import SharedGate
    from shared.hubs.gated import gated

    time = StorageTime()
    clock: Clock = OffsetClock(settings.clock_offset_file, time) if settings.clock_offset_file else time
    entropy = SystemEntropy()
    storage = StorageClients(settings, time=time)
    arm = ArmClients(settings)
    cache = TableCache(storage, clock)
    reach = make_reach(settings)
    row, probe = TableGateRow(storage), ArmProbe(arm)
    gate = SharedGate(row, probe, clock, entropy, cache, poll_scale=settings.poll_scale)
    hubs, outbound = TableHubStore(storage), GuardedOutbound(settings)
    sink_store = TableSinkStore(storage, clock, settings.seal_keys)
    chat = TableChatStore(storage, clock, settings.seal_keys)
    sinks = (
        ConsoleSink(),
        WebhookSink(sink_store, outbound, clock),
        SlackSink(hubs=hubs, chat=chat, outbound=outbound, clock=clock, settings=settings, cache=cache),
        TeamsSink(hubs=hubs, chat=chat, outbound=outbound, clock=clock, settings=settings),
    )
    return App(
        settings=settings,
        clock=clock,
        entropy=entropy,
        keys=OpenSshKeyMaker(),
        hubs=hubs,
        index=TableHubIndex(storage),
        queue=StorageWorkQueue(storage),
        due=TableDue(storage),
        logs=TableLogStore(storage),
        secrets=SealedSecretStore(storage, settings.seal_keys),
        tokens=TableTokenStore(storage, clock),
        cache=cache,
        identity=StoredDeploymentIdentity(storage, entropy),
        groups=gated(ArmResourceGroups(arm), gate),
        network=gated(ArmNetwork(arm), gate),
        compute=gated(ArmCompute(arm), gate),
        operations=gated(ArmLongOperations(arm), gate),
        gate=gate,
        shutdowns=gated(ArmDailyShutdowns(arm), gate),
        catalog=RetailCatalog(arm, cache, settings, clock),
        outbox=TableOutbox(storage),
        notices=StorageNoticeQueue(storage),
        sinks=sinks,
        sink_store=sink_store,
        outbound=outbound,
        chat=chat,
        on_vm=SshAgent(reach),
        hub_api=JupyterHubApi(reach, settings),
        hub_http=BrowserHubHttp(reach, settings),
        reach=reach,
    )
