"""A practice provider on a real port, and the client that an application would be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from tieline.testing import Browser, PracticeProvider, serve

CALLBACK = "http://127.0.0.1:1/oauth/callback/practice"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-by-the-rules"
CHALLENGE = "VCuTW7dR7nf7HAdQEo7nSwfRLkTncGDGlhPkHX3SpnA"


@dataclass(frozen=True)
class Application:
    """What a client of the provider sends; `http` has the provider's address as its base."""

    provider: PracticeProvider
    url: str
    http: httpx2.AsyncClient
    browser: Browser

    def authorize_url(self, **changes: str | None) -> str:
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": CALLBACK,
            "scope": "profile items",
            "state": "s1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        given = {name: value for name, value in asked.items() if value is not None}
        return str(httpx2.URL(f"{self.url}/authorize", params=given))

    async def callback(self, **changes: str | None) -> httpx2.QueryParams:
        """The query with which the browser comes back."""
        return httpx2.URL(await self.browser.follow_until(self.authorize_url(**changes), CALLBACK)).params

    async def token(self, **form: str) -> httpx2.Response:
        client = {"client_id": self.provider.client_id, "client_secret": self.provider.client_secret}
        return await self.http.post("/token", data=client | form)

    async def exchange(self, code: str, **changes: str) -> httpx2.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return await self.token(**(form | changes))

    async def refresh(self, refresh_token: object) -> httpx2.Response:
        return await self.token(grant_type="refresh_token", refresh_token=str(refresh_token))

    async def me(self, access_token: object) -> httpx2.Response:
        return await self.http.get("/v1/me", headers={"Authorization": f"Bearer {access_token}"})


@pytest.fixture
def provider() -> PracticeProvider:
    return PracticeProvider()


@pytest.fixture
async def app(provider: PracticeProvider) -> AsyncIterator[Application]:
    async with (
        serve(provider.app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False) as http,
        Browser() as browser,
    ):
        yield Application(provider, url, http, browser)
