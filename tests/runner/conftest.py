"""A server that records what it is sent and answers as told, and the egress that may reach it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from urllib.parse import parse_qsl

import pytest

from tieline.egress import AddressPolicy, Egress
from tieline.manifest import Input, Request
from tieline.manifest.model import Apply
from tieline.manifest.origins import OriginSet
from tieline.runner import Setting, run
from tieline.testing import serve

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """One call as it arrived: `path` still encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        pairs = parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)


@dataclass
class Upstream:
    url: str = ""
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("content-type", "application/json")])
    body: bytes = b"{}"
    sent: list[Sent] = field(default_factory=list)

    def answers(self, body: bytes | str, *, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.body = body.encode() if isinstance(body, str) else body
        self.status = status
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.headers = [("content-type", kind), *named]

    @property
    def last(self) -> Sent:
        return self.sent[-1]

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = scope["raw_path"].decode(), scope["query_string"].decode()
        self.sent.append(Sent(scope["method"], path.partition("?")[0], query, headers, body))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": self.body})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    async with serve(upstream) as url:
        upstream.url = url
        yield upstream


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    egress = Egress(AddressPolicy(networks=[ip_network("127.0.0.0/8")]))
    yield egress
    await egress.close()


@pytest.fixture
def go(upstream, egress):
    async def go(request, *, values=None, inputs=None, rules=(), to=None, **more):
        setting = Setting(
            values=values or {},
            inputs={name: Input.model_validate(each) for name, each in (inputs or {}).items()},
            to=to or OriginSet.of(upstream.url),
            base_url=f"{upstream.url}/v1",
            rules=[Apply.model_validate(each) for each in rules],
        )
        return await run(Request.model_validate({"url": "/me", **request}), setting, egress, now=NOW, **more)

    return go
