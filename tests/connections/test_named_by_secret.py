"""Who an account is stands in the clear, in lists and in the database: a secret never does."""

import json

import pytest

pytestmark = pytest.mark.anyio

KEY = "practice-key-of-ada"


@pytest.mark.parametrize("named", ["{{ apiKey }}", "key:{{ apiKey }}"])
async def test_an_account_is_not_named_by_its_secret(world, named):
    world.practice.api_keys = {KEY: "ada@practice.example"}
    check = {"identity": {"id": named, "label": "{{ body.name }}"}, "scopes": "read {{ apiKey }}"}
    provider = await world.register_key(check=check)
    connection = await world.acme.connections.create(provider=provider, end_user="ada", inputs={"apiKey": KEY})

    checked = await world.acme.connections.check(connection.id)

    account = connection.account
    assert (connection.account_id, account.id, account.label) == ("default", None, "Ada Brightwater")
    assert connection.scopes.granted == ("read",)
    assert KEY not in json.dumps([connection.dump(), checked.dump()])
    assert KEY not in str(await world.row(connection))
