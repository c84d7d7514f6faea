"""What an application keeps with its connections has a limit: one key's must not fill the lists of the whole tenant."""

import pytest

from tieline.connections.rules import LARGEST_OBJECT, LONGEST_TEXT
from tieline.errors import InvalidRequest

pytestmark = pytest.mark.anyio

KEY = {"apiKey": "practice-key"}
LONG, LARGE = "x" * (LONGEST_TEXT + 1), {"x": "y" * LARGEST_OBJECT}
TOO_MUCH = [("end_user", LONG), ("account_id", LONG), ("label", LONG), ("metadata", LARGE)]


@pytest.mark.parametrize(("name", "value"), TOO_MUCH)
async def test_an_import_keeps_no_more_than_it_may(world, name, value):
    provider = await world.register_key()

    with pytest.raises(InvalidRequest) as caught:
        await world.acme.connections.create(**{"provider": provider, "end_user": "ada", "inputs": KEY, name: value})

    assert caught.value.errors[0].path in ("/endUser", "/accountId", "/label", "/metadata")
    assert await world.count() == 0


@pytest.mark.parametrize(("name", "value"), [("end_user", LONG), ("account_id", LONG), ("context", LARGE)])
async def test_a_session_keeps_no_more_than_it_may(world, name, value):
    provider = await world.register_key()

    with pytest.raises(InvalidRequest):
        await world.acme.connect.start(**{"provider": provider, "end_user": "ada", name: value})


async def test_metadata_does_not_grow_beyond_its_limit_bit_by_bit(world):
    connections = world.acme.connections
    connection = await connections.create(provider=await world.register_key(), end_user="ada", inputs=KEY)
    half = "y" * (LARGEST_OBJECT * 2 // 3)
    await connections.update(connection.id, metadata={"one": half})

    with pytest.raises(InvalidRequest):
        await connections.update(connection.id, metadata={"two": half})
    changed = await connections.update(connection.id, metadata={"two": half, "one": None})

    assert set(changed.metadata) == {"two"}
