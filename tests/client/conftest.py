"""A server that answers from a script, so that what the client sends can be looked at."""

from dataclasses import dataclass, field

import httpx2
import pytest

from tieline.client import AsyncClient, Client

URL = "https://connect.example"
KEY = "tl_a_key_for_tests"


@dataclass
class Script:
    """`answers` are taken in order, the last one again and again; an exception is raised instead."""

    answers: list[object] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)

    def answer(self, status: int = 200, json: object = None, **kwargs: object) -> None:
        self.answers.append(httpx2.Response(status, json=json, **kwargs))

    def fail(self, error: Exception) -> None:
        self.answers.append(error)

    def sync(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._next(request)

    async def asynchronous(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return self._next(request)

    def _next(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, Exception):
            raise given
        return httpx2.Response(given.status_code, headers=given.headers, content=given.content)

    def lines(self) -> list[str]:
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.requests]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Client:
    return Client(URL, KEY, transport=httpx2.MockTransport(script.sync))


@pytest.fixture
def async_client(script: Script) -> AsyncClient:
    return AsyncClient(URL, KEY, transport=httpx2.MockTransport(script.asynchronous))
