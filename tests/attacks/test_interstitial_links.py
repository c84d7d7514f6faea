"""Plain links, where no application is there to ask who came back: the weaker kind, which asks the user by name."""

import pytest

from .scene import Kind, Scene

pytestmark = pytest.mark.anyio
EVERY = pytest.mark.parametrize("kind", ["silent", "key"])
PLAIN = {"context": {"plain": True}}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@EVERY
async def test_who_is_handed_a_plain_link_is_told_who_gets_the_account_before_it_is_connected(scene: Scene, kind: Kind):
    link = await scene.link(await scene.register(kind), "mallory", **PLAIN)

    page = await scene.connect(scene.ada, link)

    assert [form.name for form in page.forms] == ["confirm", "decline"]
    assert "mallory" in page.document.label
    assert await scene.nothing_was_connected()


@EVERY
async def test_nobody_else_can_say_yes_for_her(scene: Scene, kind: Kind):
    """Neither the one who sent the link, from his browser, nor a page of his, from hers."""
    link = await scene.link(await scene.register(kind), "mallory", **PLAIN)
    page = await scene.connect(scene.ada, link)
    (_, nonce), *_ = page.form("confirm").fields
    evil = {**FORM, "Origin": scene.application.url, "Sec-Fetch-Site": "cross-site"}

    his = await scene.mallory.submit(page.form("confirm"))
    hers = await scene.ada.client.post(page.form("confirm").url, content=f"nonce={nonce}", headers=evil)
    visited = await scene.ada.client.get(f"{scene.url}/connect/confirm?nonce={nonce}")

    assert (his.status, hers.status_code) == (400, 403)
    assert "Not connected" in visited.text or visited.status_code >= 400
    assert await scene.nothing_was_connected()


@EVERY
async def test_the_question_cannot_be_hidden_in_a_frame(scene: Scene, kind: Kind):
    page = await scene.connect(scene.ada, await scene.link(await scene.register(kind), "mallory", **PLAIN))

    assert page.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@EVERY
async def test_a_no_forgets_what_she_brought(scene: Scene, kind: Kind):
    session = await scene.start(await scene.register(kind), "mallory", **PLAIN)
    page = await scene.connect(scene.ada, session.url.reveal())

    await scene.ada.submit(page.form("decline"))
    await scene.ada.submit(page.form("confirm"))

    assert await scene.nothing_was_connected()
    assert (await scene.acme.connect.get(session.session.id)).status == "failed"


@EVERY
async def test_a_yes_is_marked_as_the_weaker_kind(scene: Scene, kind: Kind):
    page = await scene.connect(scene.ada, await scene.link(await scene.register(kind), "ada", **PLAIN))

    await scene.ada.submit(page.form("confirm"))

    (made,) = (await scene.acme.connections.list()).items
    assert (made.end_user, made.binding) == ("ada", "confirmedByUser")


async def test_a_callback_that_is_opened_elsewhere_asks_nobody(scene: Scene):
    link = await scene.link(await scene.register("silent"), "ada", **PLAIN)
    callback = await scene.callback(scene.ada, link)

    stolen, late = await scene.mallory.open(callback), await scene.ada.open(callback)

    assert (stolen.status, stolen.forms) == (400, [])
    assert (late.status, late.forms) == (404, [])
    assert await scene.nothing_was_connected()
