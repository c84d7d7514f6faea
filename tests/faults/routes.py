"""Every kind of route, asked over HTTP while something is wrong with the database."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from tieline.api import app
from tieline.hub import Hub
from tieline.testing import PracticeProvider, serve

from .sites import Site

READS = ("list", "get", "audit", "page")
USES = ("credentials", "proxy")
WRITES = ("api-key", "connection", "customer", "label", "session", "refresh")
EVERYTHING = (*READS, *USES, *WRITES)


@dataclass(frozen=True)
class Answer:
    name: str
    status: int
    seconds: float
    retry_after: str | None
    text: str = field(repr=False)
    lag: float = 0.0
    """Seconds that this process itself was late meanwhile: the machine may be busy with something else."""


@dataclass
class Routes:
    hub: Hub
    http: httpx2.AsyncClient
    practice: PracticeProvider
    connections: list[str]
    page: str
    numbers: Any = field(default_factory=lambda: iter(range(1_000_000)))

    async def ask(self, name: str) -> Answer:
        method, path, more = self._request(name)
        began = time.monotonic()
        response = await self.http.request(method, path, **more)
        seconds = time.monotonic() - began
        return Answer(name, response.status_code, seconds, response.headers.get("retry-after"), response.text)

    async def ask_all(self, *names: str) -> dict[str, Answer]:
        asked = asyncio.gather(*(self.ask(name) for name in names or EVERYTHING))
        lag = 0.0
        while not asked.done():
            began = time.monotonic()
            await asyncio.wait({asked}, timeout=0.05)
            lag += max(0.0, time.monotonic() - began - 0.06)
        return {answer.name: replace(answer, lag=lag) for answer in asked.result()}

    async def until_well(self, *names: str) -> float:
        """Seconds until all of them are answered as ever."""
        began = time.monotonic()
        async with asyncio.timeout(30):
            while True:
                answers = await self.ask_all(*names)
                assert not [each for each in answers.values() if each.status == 500], answers
                if all(each.status < 400 for each in answers.values()):
                    return time.monotonic() - began
                await asyncio.sleep(0.05)

    def _request(self, name: str) -> tuple[str, str, dict[str, Any]]:
        first, second = self.connections[:2]
        number = next(self.numbers)
        tokens = {"credentials": {"accessToken": f"access-{number}"}, "check": False}
        match name:
            case "list":
                return "GET", "/v1/connections", {}
            case "get":
                return "GET", f"/v1/connections/{first}", {}
            case "audit":
                return "GET", "/v1/audit", {}
            case "page":
                return "GET", self.page, {}
            case "credentials":
                return "GET", f"/v1/connections/{first}/credentials", {}
            case "proxy":
                return "GET", f"/v1/connections/{first}/proxy/me", {}
            case "api-key":
                return "POST", "/v1/api-keys", {"json": {"name": f"key {number}"}}
            case "connection":
                body = {"provider": "practice", "endUser": f"new-{number}", **tokens}
                return "POST", "/v1/connections", {"json": body}
            case "customer":
                return "PUT", "/v1/organizations/acme", {"json": {"name": f"Acme {number}"}}
            case "label":
                return "PATCH", f"/v1/connections/{first}", {"json": {"label": f"label {number}"}}
            case "session":
                return "POST", "/v1/connect/sessions", {"json": {"provider": "practice", "endUser": "new"}}
            case "refresh":
                return "POST", f"/v1/connections/{second}/refresh", {}
        raise AssertionError(name)


@asynccontextmanager
async def routes_of(site: Site, hub: Hub) -> AsyncIterator[Routes]:
    """The site is furnished first."""
    await site.furnish(hub)
    acme = hub.organization("acme")
    session = await acme.connect.start(provider="practice", end_user="visitor")
    key = (await hub.create_first_key()).key.reveal()
    headers = {"Authorization": f"Bearer {key}", "Tieline-Organization": "acme"}
    async with (
        serve(app(hub)) as url,
        httpx2.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as http,
    ):
        page = session.url.reveal().partition("://")[2].partition("/")[2]
        routes = Routes(hub, http, site.practice, site.connections, f"/{page}")
        await routes.until_well()
        yield routes


def require_unavailable(answers: dict[str, Answer], *, seconds: float = 2.0) -> None:
    """503 with Retry-After, in time."""
    wrong = {
        name: (each.status, each.retry_after, round(each.seconds, 2))
        for name, each in answers.items()
        if each.status != 503 or each.retry_after is None or each.seconds - each.lag >= seconds
    }
    assert not wrong, wrong


def worst(answers: dict[str, Answer]) -> str:
    return f"{max(each.seconds for each in answers.values()):.2f} s"
