"""Callers at the same moment share SELECTs on PostgreSQL: each still gets its own alone."""

import asyncio

import pytest

from tieline.organizations.keys import new_key

from .town import SHARED, Caller, marker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True),
]


async def test_callers_at_the_same_moment_get_their_own_alone(town):
    """By id, by owner and by a bound key; for one's own connection, and for everybody else's."""
    slugs = list(town.targets)
    echoes = {}
    for slug in slugs:
        name = f"key-of-{slug}"
        document = town.document(slug, name, auth=None, authType="api_key", apiKey={"keyName": "X-API-Key"})
        for member in ("oauth2", "refresh", "scopeCatalog"):
            document.pop(member, None)
        await town.hub.providers.register(town.actor(slug), document)
        town.practice.api_keys[marker(slug, "secret")] = f"{slug}@practice.example"
        made = await town.hub.connections.create(
            town.actor(slug), provider=name, end_user="ada", inputs={"apiKey": marker(slug, "secret")}, check=False
        )
        echoes[slug] = made.id, name

    async def called(slug, whose):
        caller = Caller(slug, town.keys[f"owner-{slug}"])
        answer = await town.ask(caller, "GET", f"/v1/connections/{echoes[whose][0]}/proxy/echo")
        return slug, whose, answer.status_code, answer.json().get("user")

    async def read(slug, whose, *, by_owner=False):
        caller, (connection, provider) = Caller(slug, town.keys[f"owner-{slug}"]), echoes[whose]
        place = f"/v1/end-users/ada/connections/{provider}" if by_owner else f"/v1/connections/{connection}"
        answer = await town.ask(caller, "GET", f"{place}/credentials")
        return slug, whose, answer.status_code, answer.json().get("apiKey")

    async def owned(slug):
        caller = Caller(slug, town.keys[f"owner-{slug}"])
        answer = await town.ask(caller, "GET", f"/v1/end-users/ada/connections/{SHARED}/credentials")
        return answer.status_code, answer.headers.get("tieline-error")

    # Once before, so that what is kept from use to use is there.
    await asyncio.gather(*(called(slug, slug) for slug in slugs))
    nobody = [Caller("nobody", new_key().reveal()) for _ in slugs]
    asked = [town.ask(each, "GET", f"/v1/connections/{echoes['acme'][0]}/credentials") for each in nobody]
    first = [each for pair in zip(asked, (read("acme", "acme") for _ in nobody), strict=True) for each in pair]
    among = await asyncio.gather(*first)
    calls = await asyncio.gather(*(called(slug, whose) for _ in range(3) for slug in slugs for whose in slugs))
    reads = await asyncio.gather(*(read(slug, whose) for slug in slugs for whose in slugs))
    reads += await asyncio.gather(*(read(slug, whose, by_owner=True) for slug in slugs for whose in slugs))
    own = await asyncio.gather(*(owned(slug) for slug in slugs))

    assert {each.status_code for each in among[::2]} == {401}
    for slug, whose, status, user in calls:
        assert (status, user) == ((200, f"{slug}@practice.example") if slug == whose else (404, None)), (slug, whose)
    for slug, whose, status, key in reads:
        assert (status, key) == ((200, marker(slug, "secret")) if slug == whose else (404, None)), (slug, whose)
    assert {status for status, _ in own} == {200}
