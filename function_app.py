"""Azure Functions entry point: builds the app once, at its first use, and registers the functions."""

import os
from functools import cache
from typing import TYPE_CHECKING

import azure.functions as func

from functions import (
    actions_http,
    audit_timer,
    catalog_http,
    chat_http,
    hubs_http,
    meta_http,
    notify_queue,
    operations_http,
    poison_queue,
    sinks_http,
    sweep_timer,
    tick_timer,
    tokens_http,
    work_queue,
)
from shared import log
from shared.api.http import Edge

if TYPE_CHECKING:
    from shared.app import App


@cache
def get_app() -> "App":
    """Raises SettingsError, which names every wrong setting; listing the functions must work without any."""
    from shared.app import build_app
    from shared.settings import Settings

    settings = Settings.from_env(os.environ)
    log.install(literals=settings.secret_texts)
    return build_app(settings)


log.install()
edge = Edge.over(get_app)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for module in (
    hubs_http,
    operations_http,
    tokens_http,
    sinks_http,
    catalog_http,
    chat_http,
    actions_http,
    meta_http,
):
    app.register_functions(module.blueprint(edge))
for trigger in (work_queue, poison_queue, notify_queue, tick_timer, sweep_timer, audit_timer):
    app.register_functions(trigger.blueprint(get_app))
