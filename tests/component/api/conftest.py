"""One world and its API for each test."""

import pytest

from tests.component.api.client import ADMIN_TOKEN, Api
from tests.support.builders import some_settings
from tests.support.world import World


@pytest.fixture
def world() -> World:
    return World(settings=some_settings(HUBLET_ADMIN_TOKEN=ADMIN_TOKEN, HUBLET_EGRESS_CIDRS="198.51.100.7/32"))


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)
