"""Links that are shared, replayed and fixated: whatever a victim is made to open, nothing of hers is connected to
somebody else, and no code is exchanged."""

from urllib.parse import urlsplit

import pytest

from .application import NONCE
from .scene import Kind, Scene

pytestmark = pytest.mark.anyio
OAUTH = pytest.mark.parametrize("kind", ["asked", "silent"])
EVERY = pytest.mark.parametrize("kind", ["asked", "silent", "key"])


@OAUTH
async def test_an_authorize_url_that_is_handed_on_ends_at_a_page_of_ours(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "mallory")
    authorize_url = await scene.authorize_url(scene.mallory, link)

    page = await scene.consent(scene.ada, await scene.ada.open(authorize_url))

    assert (page.status, page.title) == (400, "This did not start here")
    assert scene.application.outcomes == []
    assert await scene.nothing_was_connected()
    assert "connectSession.astray" in await scene.audited()


@OAUTH
async def test_the_address_that_a_victim_ended_at_is_worth_nothing_to_who_asks_her_for_it(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "mallory")
    authorize_url = await scene.authorize_url(scene.mallory, link)
    page = await scene.consent(scene.ada, await scene.ada.open(authorize_url))

    await scene.mallory.open(page.url)

    assert "code=" in page.url
    assert scene.application.outcomes == []
    assert await scene.nothing_was_connected()


@EVERY
async def test_a_connect_link_that_is_handed_on_is_burned_by_who_comes_back(scene: Scene, kind: Kind):
    session = await scene.start(await scene.register(kind), "mallory")
    link = session.url.reveal()

    page = await scene.connect(scene.ada, link)
    again = await scene.mallory.open(link)

    assert page.title == "The application"
    assert scene.application.outcomes == [("ada", "end-user-mismatch")]
    assert (again.status, again.title) == (410, "This link has been used")
    assert await scene.nothing_was_connected()
    assert await scene.kept(session) is None
    assert "connectSession.burned" in await scene.audited()


@EVERY
async def test_a_connect_link_brings_nothing_to_who_is_logged_in_nowhere(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "mallory")
    scene.ada.client.cookies.clear()

    await scene.connect(scene.ada, link)
    await scene.mallory.open(link)

    assert scene.application.outcomes == []
    assert await scene.nothing_was_connected()


@EVERY
async def test_a_stolen_nonce_is_worth_nothing(scene: Scene, kind: Kind):
    """Of Ada's own flow: Mallory gets the address before her browser has opened it."""
    session = await scene.start(await scene.register(kind), "ada")
    address = await scene.returning(scene.ada, session.url.reveal())

    await scene.mallory.open(address)
    await scene.ada.open(address)

    assert scene.application.outcomes == [("mallory", "end-user-mismatch"), ("ada", "session-ended")]
    assert await scene.nothing_was_connected()
    assert await scene.kept(session) is None
    assert "connectSession.burned" in await scene.audited()


@EVERY
async def test_a_nonce_that_is_handed_on_is_worth_nothing(scene: Scene, kind: Kind):
    """Of Mallory's own flow, in which his account was connected: it does not become Ada's either."""
    address = await scene.returning(scene.mallory, await scene.link(await scene.register(kind), "mallory"))

    await scene.ada.open(address)
    await scene.mallory.open(address)

    assert scene.application.outcomes == [("ada", "end-user-mismatch"), ("mallory", "session-ended")]
    assert await scene.nothing_was_connected()


@EVERY
async def test_a_nonce_that_was_used_is_worth_nothing_to_another(scene: Scene, kind: Kind):
    address = await scene.returning(scene.ada, await scene.link(await scene.register(kind), "ada"))
    await scene.ada.open(address)

    await scene.mallory.open(address)

    assert scene.application.outcomes == [("ada", "connected"), ("mallory", "end-user-mismatch")]
    assert await scene.whose() == ["ada"]


@OAUTH
async def test_a_callback_that_is_opened_elsewhere_first_is_taken_from_nobody(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "ada")
    callback = await scene.callback(scene.ada, link)

    stolen, late = await scene.mallory.open(callback), await scene.ada.open(callback)

    assert (stolen.status, stolen.title) == (400, "This did not start here")
    assert late.status == 404
    assert scene.application.outcomes == []
    assert await scene.nothing_was_connected()


@OAUTH
async def test_who_was_disturbed_goes_on_from_the_page(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "ada")
    await scene.mallory.open(await scene.callback(scene.ada, link))

    await scene.connect(scene.ada, link)

    assert scene.application.outcomes == [("ada", "connected")]
    assert scene.practice.codes_exchanged == 1


@OAUTH
async def test_a_callback_that_was_used_is_worth_nothing(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "ada")
    callback = await scene.callback(scene.ada, link)
    await scene.ada.open(callback)

    stolen, again = await scene.mallory.open(callback), await scene.ada.open(callback)

    assert (stolen.status, stolen.title) == (400, "This did not start here")
    assert again.title == "This is connected already"
    assert scene.application.outcomes == [("ada", "connected")]
    assert scene.practice.codes_exchanged == 1
    assert await scene.whose() == ["ada"]


@OAUTH
@pytest.mark.parametrize("first", ["code", "state"])
async def test_a_code_of_one_flow_is_not_taken_with_the_state_of_another(scene: Scene, kind: Kind, first: str):
    """PKCE: the code that Mallory puts into his own callback was asked for with another verifier."""
    provider = await scene.register(kind)
    hers = await scene.callback(scene.ada, await scene.link(provider, "ada"))
    his = await scene.callback(scene.mallory, await scene.link(provider, "mallory"))
    code, state = (hers, his) if first == "code" else (his, hers)
    forged = f"{urlsplit(his)._replace(query='').geturl()}?code={_of(code, 'code')}&state={_of(state, 'state')}"

    await scene.mallory.open(forged)

    assert scene.practice.codes_exchanged == 0
    assert await scene.whose() == []
    assert ("mallory", "connected") not in scene.application.outcomes


@OAUTH
async def test_a_second_browser_that_joins_before_the_callback_gains_nothing(scene: Scene, kind: Kind):
    """Mallory has Ada's link, and leaves for the provider after her."""
    link = await scene.link(await scene.register(kind), "ada")
    hers = await scene.callback(scene.ada, link)
    his = await scene.callback(scene.mallory, link)

    late = await scene.ada.open(hers)
    await scene.mallory.open(his)

    assert late.status == 404
    assert scene.application.outcomes == [("mallory", "end-user-mismatch")]
    assert await scene.nothing_was_connected()


@OAUTH
async def test_a_second_browser_that_is_overtaken_gains_nothing(scene: Scene, kind: Kind):
    """Mallory leaves first, Ada after him: his state is over, and hers is bound to her browser."""
    link = await scene.link(await scene.register(kind), "ada")
    his = await scene.callback(scene.mallory, link)
    hers = await scene.callback(scene.ada, link)

    pages = [await scene.mallory.open(his), await scene.mallory.open(f"{hers}&state=")]
    await scene.connect(scene.ada, link)

    assert all(page.status in (400, 404) for page in pages)
    assert scene.application.outcomes == [("ada", "connected")]
    assert scene.practice.codes_exchanged == 1


@EVERY
async def test_a_second_browser_that_joins_after_the_return_is_given_no_nonce(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "ada")
    theirs = await scene.mallory.open(link)
    address = await scene.returning(scene.ada, link)

    answers = [await scene.mallory.open(link), await scene.press(scene.mallory, theirs)]
    await scene.ada.open(address)

    assert [answer.status for answer in answers] == [410, 410]
    assert scene.application.outcomes == [("ada", "connected")]


async def test_where_consent_stands_already_no_link_makes_a_second_connection(scene: Scene):
    """The victim has connected before, so the provider asks her nothing and her browser passes through."""
    provider = await scene.register("silent")
    await scene.connect(scene.ada, await scene.link(provider, "ada"))
    exchanged = scene.practice.codes_exchanged

    await scene.connect(scene.ada, await scene.link(provider, "mallory"))
    await scene.ada.open(await scene.authorize_url(scene.mallory, await scene.link(provider, "mallory")))

    assert scene.application.outcomes == [("ada", "connected"), ("ada", "end-user-mismatch")]
    assert scene.practice.codes_exchanged == exchanged == 1
    assert await scene.whose() == ["ada"]


@EVERY
async def test_in_a_popup_the_nonce_is_burned_by_who_comes_back(scene: Scene, kind: Kind):
    session = await scene.start(await scene.register(kind), "mallory", embed_origin=scene.application.url)

    posted = await scene.connect(scene.ada, session.url.reveal())
    await scene.ada.open(f"{scene.application.return_to}?{NONCE}={_posted(posted.text)}")

    assert scene.application.outcomes == [("ada", "end-user-mismatch")]
    assert await scene.nothing_was_connected()
    assert await scene.kept(session) is None


def _of(url: str, name: str) -> str:
    return next(part.partition("=")[2] for part in urlsplit(url).query.split("&") if part.startswith(f"{name}="))


def _posted(text: str) -> str:
    """The nonce that the page sends to the application's."""
    return text.partition('"nonce": "')[2].partition('"')[0]
