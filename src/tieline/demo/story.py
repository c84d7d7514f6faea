"""The story: an organization adds a provider, its user connects, calls are made for her, a token runs out, all is kept.

Every step goes over HTTP, as an application's would, and is checked.
"""

import asyncio
from typing import Any

from tieline.demo.stage import Stage
from tieline.demo.telling import Failed, Teller, expect
from tieline.demo.visiting import Visit
from tieline.testing import practice_document

USER = "ada"
PROVIDER = "practice"
_SEAL_SECONDS = 5.0


async def play(stage: Stage, teller: Teller, visit: Visit) -> None:
    """Raises Failed, TielineError and what else can go wrong, at the step where it does."""
    await _register(stage, teller)
    await _set_client(stage, teller)
    name = await _connect(stage, teller, visit)
    await _call(stage, teller, name)
    await _renew(stage, teller)
    await _verify(stage, teller)


async def _register(stage: Stage, teller: Teller) -> None:
    async with teller.step("Describe a service, and register it"):
        document = practice_document(stage.practice_url)
        teller.say("A provider is a document, not code: where to authorize, where to get tokens, where the API is.")
        provider = await stage.tieline.providers.register(document)
        teller.called(stage.notes.take())
        expect(provider.id == PROVIDER and provider.connectable, "The practice provider cannot be connected.")
        teller.got(f"{provider.name}, id {provider.id}, version {provider.version}, ready to connect")


async def _set_client(stage: Stage, teller: Teller) -> None:
    async with teller.step("Register your application at that service"):
        integration = await stage.tieline.integrations.get(PROVIDER)
        teller.say(f"The service is told this redirect URI: {integration.redirect_uri}")
        stage.practice.redirect_uris = frozenset({integration.redirect_uri})
        practice = stage.practice
        teller.say("and gives a client id and a secret, which Tieline keeps sealed.")
        saved = await stage.tieline.integrations.put(
            PROVIDER, client_id=practice.client_id, client_secret=practice.client_secret
        )
        teller.called(stage.notes.take())
        expect(saved.configured and saved.client_secret_set, "The client was not kept.")
        teller.got("configured; the secret can be written, and not read back (clientSecretSet: true)")


async def _connect(stage: Stage, teller: Teller, visit: Visit) -> str | None:
    """The name on the account, which is whose somebody at a browser chose."""
    async with teller.step("Ada connects her account"):
        new = await stage.tieline.connect.start(provider=PROVIDER, end_user=USER, return_to=stage.back.url)
        teller.called(stage.notes.take())
        teller.say("Your backend starts a session for Ada, and sends her browser to its address.")
        nonce = await visit(new.url, stage.back)
        teller.say(
            "The browser came back with a one-time nonce. Nothing is exchanged until your backend says who is logged "
            "in there now: so nobody can have somebody else's account connected to his own."
        )
        done = await stage.tieline.connect.complete(nonce=nonce, end_user=USER)
        teller.called(stage.notes.take())
        connection = done.connection
        if connection is None:
            raise Failed(f"Ada is not connected: {done.problem.detail if done.problem else done.result}")
        expect(connection.status == "active", f"The connection is {connection.status}.")
        expect(stage.practice.codes_exchanged == 1, "The code was not exchanged exactly once.")
        teller.got(f"{connection.id}, {connection.status}, the account of {connection.account.label}")
        return connection.account.label


async def _call(stage: Stage, teller: Teller, name: str | None) -> None:
    async with teller.step("Your application calls the service's API for her"):
        me = await _me(stage, teller)
        expect(me.get("name") == name, "Another account answered.")
        teller.say("Tieline put her token on the call, which reaches the document's hosts only. You never see it.")


async def _renew(stage: Stage, teller: Teller) -> None:
    async with teller.step("Her access token runs out, and eight calls come at once"):
        before = stage.practice.refreshes
        expired = stage.practice.expire_access_tokens()
        teller.say(f"The service refuses {expired} access token from now on.")
        async with stage.tieline.http(end_user=USER, provider=PROVIDER) as http:
            answers = await asyncio.gather(*(http.get("/me") for _ in range(8)))
        teller.called(stage.notes.take())
        statuses = {answer.status_code for answer in answers}
        expect(statuses == {200}, f"Not every call was answered: {sorted(statuses)}.")
        refreshes = stage.practice.refreshes - before
        expect(refreshes == 1, f"The token was refreshed {refreshes} times, not once.")
        teller.got(f"{len(answers)} answers, all 200, and {refreshes} refresh at the service: callers share it")


async def _verify(stage: Stage, teller: Teller) -> None:
    async with teller.step("Everything is in the audit, and the audit is provable"):
        verification = await _sealed(stage)
        teller.called(stage.notes.take()[-1:])
        expect(verification.ok, f"The audit does not hold: {verification.reason}.")
        page = await stage.tieline.audit.list(limit=200)
        stage.notes.take()
        seen = {event.action for event in page.items}
        expected = {"provider.registered", "integration.updated", "connection.created", "connection.called"}
        expect(expected <= seen, f"The audit lacks {', '.join(sorted(expected - seen))}.")
        teller.got(f"{verification.events} events in a chain of hashes, {verification.heads} heads of it signed")
        teller.say(f"Who did what: {_short(page.items)}.")


async def _me(stage: Stage, teller: Teller) -> dict[str, Any]:
    async with stage.tieline.http(end_user=USER, provider=PROVIDER) as http:
        answer = await http.get("/me")
    teller.called(stage.notes.take())
    expect(answer.status_code == 200, f"The service answered {answer.status_code}.")
    teller.got(answer.text)
    return answer.json()


async def _sealed(stage: Stage) -> Any:
    """Events are sealed within a second."""
    async with asyncio.timeout(_SEAL_SECONDS):
        while True:
            verification = await stage.tieline.audit.verify()
            if not verification.unsealed:
                return verification
            await asyncio.sleep(0.1)


def _short(events: Any) -> str:
    return ", ".join(dict.fromkeys(event.action for event in reversed(events)))
