"""Organizations and their keys on one database."""

import pytest

from tieline.organizations import ApiKeys, Organizations


@pytest.fixture
def organizations(database) -> Organizations:
    return Organizations(database)


@pytest.fixture
def api_keys(database) -> ApiKeys:
    return ApiKeys(database)
