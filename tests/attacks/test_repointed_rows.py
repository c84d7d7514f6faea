"""Follow the canary: whoever can write to the database, but has no key of the vault, moves no credential.

After each change every connection is used in every way, by a process that has nothing in its memory.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import delete, insert, select, update

from tieline.connections.tables import connections, credentials
from tieline.integrations.tables import clients, integrations
from tieline.providers.tables import provider_versions, providers

from .scene import Scene
from .victim import Victim, pointed_at, victim_of

pytestmark = pytest.mark.anyio

Way = Callable[[Victim], Awaitable[int]]


@pytest.fixture
async def victim(scene: Scene) -> AsyncIterator[Victim]:
    async with victim_of(scene) as victim:
        yield victim


async def _connection(victim: Victim, **columns: object) -> int:
    return await victim.change(update(connections).where(connections.c.id == victim.connection).values(**columns))


async def inputs(victim: Victim) -> int:
    return await _connection(victim, inputs={"site": victim.recorder.url})


async def origins(victim: Victim) -> int:
    moved = json.dumps({use: [victim.recorder.url] for use in ("api", "token", "refresh", "revoke", "check")})
    return await _connection(victim, origins=moved)


async def inputs_and_origins(victim: Victim) -> int:
    theirs = select(connections.c.origins).where(connections.c.id == victim.elsewhere).scalar_subquery()
    return await _connection(victim, inputs={"site": victim.recorder.url}, origins=theirs)


async def variant(victim: Victim) -> int:
    return await _connection(victim, variant="moved")


async def method(victim: Victim) -> int:
    return await _connection(victim, auth_method="second")


async def document(victim: Victim) -> int:
    """Of the very version that was consented to."""
    where = provider_versions.c.version == "1.0.0", provider_versions.c.provider_id == _provider("practice")
    row = await victim.row(select(provider_versions).where(*where))
    moved = json.loads(json.dumps(row.resolved).replace(victim.base, victim.recorder.url).replace("{{ site }}", "{0}"))
    text = json.dumps(moved).replace("{0}", victim.recorder.url).replace("{{ server }}", victim.recorder.url)
    return await victim.change(update(provider_versions).where(*where).values(resolved=json.loads(text)))


async def _moved_version(victim: Victim) -> str:
    document = pointed_at(victim.recorder.url, victim.recorder.url, api={"baseUrl": f"{victim.recorder.url}/v1"})
    return (await victim.scene.acme.providers.publish("practice", {**document, "version": "9.0.0"})).version


async def digest_of_a_moved_version(victim: Victim) -> int:
    """A version that leads elsewhere is made to look like the one consented to."""
    version = await _moved_version(victim)
    consented = select(connections.c.security_digest).where(connections.c.id == victim.connection).scalar_subquery()
    moved = update(provider_versions).where(provider_versions.c.version == version)
    return await victim.change(moved.values(security_digest=consented))


async def version_and_digest(victim: Victim) -> int:
    version = await _moved_version(victim)
    digest = select(provider_versions.c.security_digest).where(provider_versions.c.version == version)
    return await _connection(victim, consented_version=version, security_digest=digest.scalar_subquery())


async def provider(victim: Victim) -> int:
    await victim.scene.acme.providers.register(pointed_at(victim.recorder.url, victim.recorder.url, id="evil"))
    await victim.scene.acme.integrations.put("evil", client_id="x", admin_inputs={"server": victim.recorder.url})
    return await _connection(victim, provider_id=_provider("evil"), inputs={"site": victim.recorder.url})


async def organization(victim: Victim) -> int:
    """To one whose integration names another token endpoint, and which can be asked as well."""
    other = await victim.scene.hub.organization("rival").actor()
    return await _connection(victim, org=other.organization, inputs={"site": victim.recorder.url})


async def credential_moved(victim: Victim) -> int:
    """Ada's sealed value in Mallory's row."""
    hers = select(credentials.c.sealed).where(credentials.c.connection_id == victim.connection).scalar_subquery()
    his = update(credentials).where(credentials.c.connection_id == victim.elsewhere)
    return await victim.change(his.values(sealed=hers))


async def credential_row_moved(victim: Victim) -> int:
    """Mallory's connection has Ada's row of credentials as its own."""
    his = delete(credentials).where(credentials.c.connection_id == victim.elsewhere)
    hers = update(credentials).where(credentials.c.connection_id == victim.connection)
    return await victim.change(his, hers.values(connection_id=victim.elsewhere))


async def identity_taken(victim: Victim) -> int:
    """Mallory's connection takes the id of Ada's, and with it her credential."""
    gone = delete(connections).where(connections.c.id == victim.connection)
    hers = await victim.row(select(credentials).where(credentials.c.connection_id == victim.connection))
    his = update(connections).where(connections.c.id == victim.elsewhere).values(id=victim.connection)
    drop = delete(credentials)
    return await victim.change(drop, gone, his, insert(credentials).values(hers._asdict()))


async def admin_inputs(victim: Victim) -> int:
    return await victim.change(update(integrations).values(inputs={"server": victim.recorder.url}))


async def admin_inputs_and_origins(victim: Victim) -> int:
    moved = json.dumps({use: [victim.recorder.url] for use in ("api", "token", "refresh", "revoke", "check")})
    await victim.change(update(clients).values(origins=moved))
    return await victim.change(update(integrations).values(inputs={"server": victim.recorder.url}, origins=moved))


async def client_secret_moved(victim: Victim) -> int:
    """Into the client of a provider of Mallory's, through which he connects."""
    acme, url = victim.scene.acme, victim.recorder.url
    await acme.providers.register(pointed_at(url, url, id="evil"))
    await acme.integrations.put("evil", client_id="x", client_secret="y", admin_inputs={"server": url})
    await acme.connections.create(
        provider="evil", end_user="mallory", auth_method="first", inputs={"site": url}, check=False, credentials=_OVER
    )
    sealed = select(clients.c.sealed).join(integrations).where(integrations.c.provider_id == _provider("practice"))
    evil = select(integrations.c.id).where(integrations.c.provider_id == _provider("evil")).scalar_subquery()
    his = update(clients).where(clients.c.integration_id == evil)
    return await victim.change(his.values(sealed=sealed.scalar_subquery()))


async def client_taken_over(victim: Victim) -> int:
    """The client of the practice provider, with its secret, becomes that of Mallory's integration."""
    changed = await client_secret_moved(victim)
    evil = select(integrations.c.id).where(integrations.c.provider_id == _provider("evil")).scalar_subquery()
    his = delete(clients).where(clients.c.integration_id == evil)
    await victim.change(his, update(clients).values(integration_id=evil))
    named = select(clients.c.id).scalar_subquery()
    await victim.change(update(connections).values(client_row_id=named))
    return changed


_OVER = {"accessToken": "of-mallory", "refreshToken": "of-mallory-too"}
WAYS: list[Way] = [
    inputs,
    origins,
    inputs_and_origins,
    variant,
    method,
    document,
    digest_of_a_moved_version,
    version_and_digest,
    provider,
    organization,
    credential_moved,
    credential_row_moved,
    identity_taken,
    admin_inputs,
    admin_inputs_and_origins,
    client_secret_moved,
    client_taken_over,
]


def _provider(slug: str) -> object:
    return select(providers.c.id).where(providers.c.slug == slug).scalar_subquery()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_no_change_of_a_row_brings_a_credential_elsewhere(victim: Victim, way: Way):
    assert await way(victim) > 0

    await victim.use_everything()

    assert victim.heard == []


async def test_the_recorder_hears_what_it_is_sent(victim: Victim):
    """Without this the tests above would prove nothing: Mallory's own connection may go there, and does."""
    outcomes = await victim.use_everything()

    assert [each for each in outcomes if each != "ok"] == ["path-refused", "path-refused"]
    assert "raw" in victim.recorder.found(["of-mallory"])
    assert victim.scene.practice.refreshes > 0
    assert "POST /revoke" in victim.scene.practice.calls
