"""Ada's connections, whose credentials somebody wants to see elsewhere, and all that can be done with a connection."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import select

from tieline import Hub
from tieline.api import app
from tieline.connections.tables import connections
from tieline.errors import TielineError
from tieline.hub import Bound
from tieline.organizations.tables import organizations
from tieline.testing import practice_document, serve

from .recorder import Recorder
from .scene import Scene

CLIENT_SECRET = "practice-secret"
_LOOPBACK: Any = {"verify": False, "trust_env": False, "timeout": 30}


def pointed_at(base: str, recorder: str, **changes: Any) -> dict[str, Any]:
    """The practice provider, whose API a user names and whose token endpoint an admin names. A variant and a second
    method of it lead elsewhere."""
    method = {
        "type": "oauth2",
        "oauth2": {
            "authUrl": f"{base}/authorize",
            "tokenUrl": "{{ server }}/token",
            "revokeUrl": "{{ server }}/revoke",
            "scopes": ["profile", "items"],
        },
        "check": {"requests": [{"url": "/me"}], "identity": {"id": "{{ body.id }}"}},
    }
    elsewhere = {**method, "check": {"requests": [{"url": f"{recorder}/v1/me"}]}, "revoke": [{"url": f"{recorder}/r"}]}
    inputs = {"site": {"type": "url"}, "server": {"type": "url", "from": "admin"}}
    moved = {"id": "moved", "override": {"api": {"baseUrl": f"{recorder}/v1"}}}
    document = practice_document(
        base,
        **dict.fromkeys(("authType", "oauth2", "refresh", "check")),
        auth={"first": method, "second": elsewhere},
        inputs=inputs,
        variants=[moved],
        api={"baseUrl": "{{ site }}/v1"},
    )
    return {**document, **changes}


@dataclass
class Victim:
    """`connection` is Ada's; `elsewhere` is Mallory's own, to the recorder, which he may use as he likes."""

    scene: Scene
    recorder: Recorder
    connection: str
    elsewhere: str

    @property
    def base(self) -> str:
        return self.scene.practice_url

    @property
    def heard(self) -> list[str]:
        """In which encodings the recorder was sent the client's secret, or any token or code that there ever was."""
        ledger = self.scene.practice.ledger
        return self.recorder.found([CLIENT_SECRET, *ledger.codes, *ledger.access_tokens, *ledger.refresh_tokens])

    async def change(self, *statements: Any) -> int:
        """Straight in the database; the number of rows that the last one changed."""

        def run(connection: Any) -> int:
            return [connection.execute(each).rowcount for each in statements][-1]

        return await self.scene.hub.db.write(run)

    async def row(self, query: Any) -> Any:
        return await self.scene.hub.db.read(lambda connection: connection.execute(query).one())

    async def use_everything(self) -> list[str]:
        """Each connection there is: called by a process that has used it before, and then, in every way that carries a
        credential, in process and over HTTP, by one that has nothing in its memory. What came of Ada's there: `ok`, or
        the code of a problem."""
        query = select(connections.c.id, organizations.c.slug).join(organizations).order_by(connections.c.id.desc())
        rows = await self.scene.hub.db.read(lambda connection: connection.execute(query).all())
        for connection, _ in rows:
            await _outcome(_call(self.scene.acme, connection, "/me"))
        outcomes: dict[str, list[str]] = {}
        async with Hub.open(settings=self.scene.hub.settings) as fresh, serve(app(fresh)) as url:
            key = (await fresh.api_keys.create(await fresh.organization("default").actor(), name="any")).key
            for connection, organization in rows:
                headers = {"Authorization": f"Bearer {key.reveal()}", "Tieline-Organization": organization}
                async with httpx2.AsyncClient(base_url=url, headers=headers, **_LOOPBACK) as http:
                    outcomes[connection] = await self._use(fresh.organization(organization), http, connection)
        return outcomes.get(self.connection, [])

    async def _use(self, nouns: Bound, http: httpx2.AsyncClient, connection: str) -> list[str]:
        path, named = f"/v1/connections/{connection}", f"{self.recorder.url}/v1/me"
        done = [
            await _outcome(_call(nouns, connection, "/me")),
            await _outcome(_call(nouns, connection, named)),
            await _outcome(nouns.connections.refresh(connection)),
            await _outcome(nouns.connections.check(connection)),
            await _outcome(nouns.connections.credentials(connection)),
            await _outcome(nouns.connections.explain(connection)),
        ]
        answers = [
            await http.get(f"{path}/proxy/me"),
            await http.get(f"{path}/proxy/", headers={"Tieline-Url": named}),
            await http.post(f"{path}/refresh"),
            await http.post(f"{path}/check"),
            await http.delete(path),
        ]
        return done + [answer.headers.get("tieline-error", "ok") for answer in answers]


async def _call(nouns: Any, connection: str, url: str) -> None:
    async with nouns.http(connection) as http:
        await http.get(url)


async def _outcome(attempt: Awaitable[object]) -> str:
    try:
        await attempt
    except TielineError as problem:
        return problem.code
    return "ok"


@asynccontextmanager
async def victim_of(scene: Scene) -> AsyncIterator[Victim]:
    async with Recorder() as recorder:
        acme, base = scene.acme, scene.practice_url
        await acme.providers.register(pointed_at(base, recorder.url))
        await acme.integrations.put(
            "practice",
            admin_inputs={"server": base},
            client_id=scene.practice.client_id,
            client_secret=CLIENT_SECRET,
        )
        granted = scene.practice.issue_tokens()
        tokens = {"accessToken": granted["access_token"], "refreshToken": granted["refresh_token"]}
        ada = await acme.connections.create(
            provider="practice", auth_method="first", end_user="ada", inputs={"site": base}, credentials=tokens
        )
        mallory = await acme.connections.create(
            provider="practice",
            auth_method="first",
            end_user="mallory",
            inputs={"site": recorder.url},
            credentials={"accessToken": "of-mallory"},
            check=False,
        )
        # What is revoked would be forgotten there, and could not be looked for.
        scene.practice.switches.revoke_fails = True
        for connection in (ada.id, mallory.id):
            assert await _outcome(_call(acme, connection, "/me")) == "ok"
        recorder.heard = b""
        yield Victim(scene, recorder, ada.id, mallory.id)
