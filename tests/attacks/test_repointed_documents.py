"""Follow the canary: whoever edits documents, integrations and connections by the front door moves no credential.

Only a new consent leads elsewhere, and then what is entered with it goes there, and nothing that was there before.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tieline.errors import TielineError
from tieline.testing import practice_key_document

from .scene import KEY, Scene
from .victim import CLIENT_SECRET, Victim, pointed_at, victim_of

pytestmark = pytest.mark.anyio

Way = Callable[[Victim], Awaitable[object]]


@pytest.fixture
async def victim(scene: Scene) -> AsyncIterator[Victim]:
    async with victim_of(scene) as victim:
        yield victim


async def edit(victim: Victim) -> None:
    """A new version, every address of which leads elsewhere."""
    await victim.scene.acme.providers.publish("practice", {**_moved(victim), "version": "2.0.0"})


async def edit_in_place(victim: Victim) -> None:
    """As if it were a matter of looks."""
    with pytest.raises(TielineError):
        await victim.scene.acme.providers.edit("practice", {"api": {"baseUrl": f"{victim.recorder.url}/v1"}})


async def registered_anew(victim: Victim) -> None:
    """Another document takes the id of the one that was connected."""
    acme = victim.scene.acme
    await acme.providers.retire("practice", force=True)
    await acme.providers.register(_moved(victim))
    await acme.integrations.put(
        "practice", client_id="x", client_secret="y", admin_inputs={"server": victim.recorder.url}
    )


async def admin_input(victim: Victim) -> None:
    await victim.scene.acme.integrations.put("practice", admin_inputs={"server": victim.recorder.url})


async def integration_made_anew(victim: Victim) -> None:
    acme = victim.scene.acme
    await acme.integrations.delete("practice")
    await acme.integrations.put("practice", client_id="x", admin_inputs={"server": victim.recorder.url})


async def integration_deleted(victim: Victim) -> None:
    await victim.scene.acme.integrations.delete("practice")


async def pinned_to_a_moved_version(victim: Victim) -> None:
    await edit(victim)
    await victim.scene.acme.integrations.put("practice", pinned_version="2.0.0")


async def imported_by_another(victim: Victim) -> None:
    """Mallory imports a credential of his own for Ada's account, at a site of his."""
    await victim.scene.acme.connections.create(
        provider="practice",
        auth_method="first",
        end_user="mallory",
        account_id="person-1",
        inputs={"site": victim.recorder.url},
        credentials={"accessToken": "of-mallory"},
        check=False,
    )


async def metadata_that_looks_like_an_address(victim: Victim) -> None:
    fields = {"site": victim.recorder.url, "origins": victim.recorder.url, "inputs": {"site": victim.recorder.url}}
    await victim.scene.acme.connections.update(victim.connection, metadata=fields, label=victim.recorder.url)


async def reconnect_that_is_begun(victim: Victim) -> None:
    """With another site and another variant; Ada never comes back from it."""
    await victim.scene.acme.providers.edit("practice", {"description": "Better words."})
    for variant in (None, "moved"):
        session = await victim.scene.start(
            "practice",
            "ada",
            connection=victim.connection,
            variant=variant,
            auth_method="first",
            inputs={"site": victim.recorder.url},
            return_to=victim.scene.application.return_to,
        )
        await victim.scene.authorize_url(victim.scene.ada, session.url.reveal())


def _moved(victim: Victim) -> dict[str, object]:
    url = victim.recorder.url
    return pointed_at(url, url, api={"baseUrl": f"{url}/v1"})


WAYS: list[Way] = [
    edit,
    edit_in_place,
    registered_anew,
    admin_input,
    integration_made_anew,
    integration_deleted,
    pinned_to_a_moved_version,
    imported_by_another,
    metadata_that_looks_like_an_address,
    reconnect_that_is_begun,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_no_change_by_the_front_door_brings_a_credential_elsewhere(victim: Victim, way: Way):
    await way(victim)

    outcomes = await victim.use_everything()

    assert outcomes
    assert victim.heard == []


async def test_a_connection_that_is_not_moved_goes_on_where_it_was(victim: Victim):
    await edit(victim)

    shown = await victim.scene.acme.connections.get(victim.connection)
    outcomes = await victim.use_everything()

    assert (shown.attention, shown.provider_version) == ("approveUpdate", "1.0.0")
    assert {each for each in outcomes if each != "ok"} == {"path-refused"}
    assert "POST /revoke" in victim.scene.practice.calls


async def test_a_reconnect_to_another_site_brings_no_token_there_that_was_given_before(victim: Victim):
    """Who answers there is another account, so the connection stays what it was."""
    scene, ledger = victim.scene, victim.scene.practice.ledger
    before = [CLIENT_SECRET, *ledger.access_tokens, *ledger.refresh_tokens]
    session = await scene.start(
        "practice",
        "ada",
        connection=victim.connection,
        auth_method="first",
        inputs={"site": victim.recorder.url},
        return_to=scene.application.return_to,
    )

    await scene.connect(scene.ada, session.url.reveal())
    outcomes = await victim.use_everything()

    assert scene.application.outcomes == [("ada", "account-mismatch")]
    assert {each for each in outcomes if each != "ok"} == {"path-refused"}
    assert victim.recorder.heard != b""
    assert victim.recorder.found(before) == []


async def test_a_new_consent_takes_what_is_entered_with_it_and_nothing_from_before(victim: Victim):
    """A key by which Ada was connected is replaced by another, for another site."""
    inputs = {"site": {"type": "url"}}
    document = practice_key_document(victim.base, id="keyed", inputs=inputs, api={"baseUrl": "{{ site }}/v1"})
    acme = victim.scene.acme
    await acme.providers.register(document)
    given = {"provider": "keyed", "end_user": "ada", "account_id": "one"}
    was = await acme.connections.create(**given, inputs={"site": victim.base, "apiKey": KEY})

    now = await acme.connections.create(
        **given, inputs={"site": victim.recorder.url, "apiKey": "of-mallory-typed"}, check=False
    )
    await victim.use_everything()

    assert now.id == was.id
    assert "raw" in victim.recorder.found(["of-mallory-typed"])
    assert victim.recorder.found([KEY]) == []
