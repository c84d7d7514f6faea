"""Hosts that users and answers choose: an admin's client secret and a user's token go only where that was in sight."""

import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tieline import Hub
from tieline.egress import AddressPolicy, Egress
from tieline.errors import InvalidProvider, TielineError
from tieline.settings import load_settings
from tieline.testing import PracticeProvider, practice_document, serve

from ..journeys.certificates import write_certificate  # noqa: TID252  # no package
from .conftest import KEYS
from .recorder import Recorder

pytestmark = pytest.mark.anyio
ELSEWHERE = [
    "https://127.0.0.1:{port}",
    "https://evil.example:{port}",
    "https://practice.example.evil.example:{port}",
    "https://na1.practice.example:{port}",
    "https://na1.practice.example@evil.example:{port}",
    "http://na1.practice.example:{port}",
]


@dataclass
class Named:
    """The practice provider under every name below practice.example, with a certificate; all names lead here."""

    hub: Hub
    practice: PracticeProvider
    recorder: Recorder
    port: int
    instance: str = ""
    """What the token endpoint says besides."""
    secrets: list[str] = field(default_factory=list)

    @property
    def acme(self) -> Any:
        return self.hub.organization("acme")

    def host(self, name: str) -> str:
        return f"https://{name}.practice.example:{self.port}"

    def elsewhere(self) -> list[str]:
        return [each.format(port=self.recorder.port) for each in ELSEWHERE]

    def document(self, **changes: Any) -> dict[str, Any]:
        """By client credentials, so that nobody needs a browser."""
        oauth2 = {"grant": "client_credentials", "clientFrom": "admin", "authUrl": None, "revokeUrl": None}
        given = {"oauth2": {**oauth2, **changes.pop("oauth2", {})}, "refresh": None, **changes}
        return practice_document(self.host("auth"), **given)

    async def register(self, **changes: Any) -> None:
        await self.acme.providers.register(self.document(**changes))
        client = {"client_id": self.practice.client_id, "client_secret": self.practice.client_secret}
        await self.acme.integrations.put("practice", **client)

    @property
    def heard(self) -> list[str]:
        tokens = [*self.practice.ledger.access_tokens]
        return self.recorder.found([self.practice.client_secret, *tokens])


@dataclass
class _Saying:
    """The practice provider, whose token answers say more."""

    practice: PracticeProvider
    named: Named | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def said(message: Any) -> None:
            if message["type"] == "http.response.body" and self.named:
                body = {**json.loads(message["body"]), "instance": self.named.instance}
                message = {**message, "body": json.dumps(body).encode()}
            elif message["type"] == "http.response.start":
                kept = [each for each in message["headers"] if each[0] != b"content-length"]
                message = {**message, "headers": kept}
            await send(message)

        await self.practice.app(scope, receive, said if scope.get("path") == "/token" else send)


@pytest.fixture
async def named(database_url: str, tmp_path: Path) -> AsyncIterator[Named]:
    certificate = write_certificate(tmp_path / "certificate.pem", "*.practice.example")
    practice = PracticeProvider()
    saying = _Saying(practice)

    async def lookup(name: str) -> list[str]:
        return ["127.0.0.1"]

    trust = ssl.create_default_context(cafile=certificate)
    settings = load_settings({}, database_url=database_url, keys=KEYS, egress_allow="127.0.0.0/8")
    # Every name may be dialled: what keeps a credential here are the origins alone.
    listed = ["evil.example", "practice.example.evil.example", "na1.practice.example", "na2.practice.example"]
    policy = AddressPolicy(hosts=[*listed, "auth.practice.example", "127.0.0.1"])
    egress = Egress(policy, lookup=lookup, ssl_context=trust)
    async with (
        Recorder() as recorder,
        serve(saying, certificate=certificate) as url,
        Hub.open(settings=settings, egress=egress) as hub,
    ):
        saying.named = Named(hub, practice, recorder, int(url.rpartition(":")[2]))
        yield saying.named


async def test_an_instance_that_a_refresh_names_anew_is_not_followed_elsewhere(named: Named):
    captured = {"token": {"capture": {"instance": "{{ body.instance }}"}}}
    allowed = [f"*.practice.example:{named.port}"]
    inputs = {"instance": {"from": "flow", "type": "url"}}
    await named.register(oauth2=captured, inputs=inputs, api={"baseUrl": "{{ instance }}/v1", "allowedHosts": allowed})
    named.instance = named.host("na1")
    made = await named.acme.connections.create(provider="practice", end_user="ada")

    refused = []
    for host in named.elsewhere():
        named.instance = host
        await named.acme.connections.refresh(made.id)
        with pytest.raises(TielineError) as caught:
            async with named.acme.http(made.id) as http:
                await http.get("/me")
        refused.append(caught.value.code)
    named.instance = named.host("na2")
    await named.acme.connections.refresh(made.id)
    async with named.acme.http(made.id) as http:
        answer = await http.get("/me")

    assert set(refused) <= {"address-refused", "path-refused", "invalid-request"}
    assert named.recorder.heard == b""
    assert answer.status_code == 200


async def test_a_captured_host_needs_a_list_of_hosts(named: Named):
    captured = {"token": {"capture": {"instance": "{{ body.instance }}"}}}
    inputs = {"instance": {"from": "flow", "type": "url"}}

    with pytest.raises(InvalidProvider) as caught:
        await named.register(oauth2=captured, inputs=inputs, api={"baseUrl": "{{ instance }}/v1"})

    assert [(fault.path, fault.code) for fault in caught.value.errors] == [("/api/baseUrl", "open_host")]


OPEN = {"inputs": {"shop": {"type": "url"}}, "oauth2": {"tokenUrl": "{{ shop }}/token"}}


async def test_a_document_in_which_users_choose_where_an_admins_secret_goes_is_refused(named: Named):
    with pytest.raises(InvalidProvider) as caught:
        await named.register(**OPEN)

    assert [(fault.path, fault.code) for fault in caught.value.errors] == [
        ("/oauth2/tokenUrl", "client_secret_to_open_host")
    ]


async def test_with_hosts_that_the_document_lists_the_secret_goes_to_those_only(named: Named):
    allowed = {"allowedHosts": [f"*.practice.example:{named.port}"]}
    await named.register(**{**OPEN, "oauth2": {**OPEN["oauth2"], "token": allowed}})

    for shop in named.elsewhere():
        with pytest.raises(TielineError):
            await named.acme.connections.create(provider="practice", end_user="mallory", inputs={"shop": shop})
    made = await named.acme.connections.create(provider="practice", end_user="ada", inputs={"shop": named.host("na1")})

    assert named.recorder.heard == b""
    assert made.usable


async def test_where_users_bring_their_own_client_they_choose_the_host_and_no_admins_secret_goes_there(named: Named):
    await named.register(**{**OPEN, "oauth2": {**OPEN["oauth2"], "clientFrom": "user"}})
    inputs = {"shop": named.recorder.url, "clientId": "of-mallory", "clientSecret": "secret-of-mallory"}

    await named.acme.connections.create(provider="practice", end_user="mallory", inputs=inputs, check=False)

    assert "raw" in named.recorder.found(["secret-of-mallory"])
    assert named.heard == []
