"""A hub on SQLite, its server on loopback, two providers behind it, and short ways to ask it something."""

import asyncio
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from tests.canary.mark import KEY

from tieline import Hub
from tieline.testing import PracticeProvider, practice_document, practice_key_document

from .upstream import Upstream

DOCUMENT = {"name": "My Custom API", "authType": "api_key", "apiKey": {"location": "header", "keyName": "X-Api-Key"}}


@dataclass
class Stage:
    """`http` sends the owner's key with everything."""

    hub: Hub
    url: str
    key: str = field(repr=False)
    http: httpx2.AsyncClient
    practice: PracticeProvider
    practice_url: str
    upstream: Upstream
    upstream_url: str

    async def ask(self, method: str, path: str, *, status: int | None = None, **more: Any) -> Any:
        """The JSON of the answer, whose status is as expected: by default any good one."""
        response = await self.http.request(method, path, **more)
        good = response.is_success if status is None else response.status_code == status
        assert good, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def provider(self, **changes: Any) -> str:
        """The practice provider by an API key."""
        document = practice_key_document(self.practice_url, **changes)
        return (await self.ask("POST", "/v1/providers", json=document))["id"]

    async def connected(self, end_user: str | None = "ada", provider: str = "practice-key", **more: Any) -> str:
        body = {"provider": provider, "endUser": end_user, "inputs": {"apiKey": KEY}, **more}
        return (await self.ask("POST", "/v1/connections", json=body))["id"]

    async def practiced(self) -> str:
        """The connection of ada at the practice provider."""
        await self.provider()
        return await self.connected()

    async def behind(self, **changes: Any) -> str:
        """The connection of ada at the provider that answers as it is told."""
        document = {**DOCUMENT, "id": "upstream", "api": {"baseUrl": self.upstream_url + "/v1"}, **changes}
        await self.ask("POST", "/v1/providers", json=document)
        return await self.connected(provider="upstream", check=False)

    async def oauth(self) -> str:
        """The practice provider by OAuth 2, with its client."""
        document = practice_document(self.practice_url)
        provider = (await self.ask("POST", "/v1/providers", json=document))["id"]
        client = {"clientId": self.practice.client_id, "clientSecret": self.practice.client_secret}
        await self.ask("PUT", f"/v1/integrations/{provider}", json=client)
        return provider

    async def key_for(self, *scopes: str, **restrictions: Any) -> str:
        body = {"name": "test", "scopes": scopes or None, "restrictions": restrictions or None}
        return (await self.ask("POST", "/v1/api-keys", json=body))["key"]

    async def raw(self, head: str, body: bytes = b"") -> bytes:
        """The whole answer to a request as it is written here."""
        port = int(self.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = [head, "Host: tieline", f"Authorization: Bearer {self.key}", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        answer = await reader.read()
        writer.close()
        return answer


def problem(response: httpx2.Response) -> tuple[int, str]:
    """Its status and code."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    members = response.json()
    assert members["status"] == response.status_code
    assert members["type"] == f"https://tieline.dev/problems/{members['code']}"
    assert members["title"]
    assert members["detail"]
    return response.status_code, members["code"]


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fresh(migrated_file: Path, folder: Path) -> Path:
    """A data folder whose database has the schema already."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(migrated_file, folder / "tieline.db")
    return folder
