"""Authorization servers that nobody here wrote, each in a process of its own, so that Tieline meets strangers.

    async with canaille(redirect_uri=...) as server, Browser() as browser:
        location = await server.consent(browser, authorize_url)

Their packages are in the `test` group; a test that asks for one that is not installed is skipped.
"""

import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from tieline.testing import Browser

Consent = Callable[[Browser, str], Awaitable[str]]


@dataclass(frozen=True)
class Account:
    """The one person who has an account there, with what the log-in page asks for."""

    user_name: str = "ada"
    person_name: str = "Ada Brightwater"
    email: str = "ada@practice.example"
    password: str = "correct horse battery"


@dataclass(frozen=True)
class AuthorizationServer:
    """`consent` logs the person in, says yes, and gives the address to which the browser is sent back, unfetched."""

    name: str
    issuer: str | None
    authorize_url: str
    token_url: str
    revoke_url: str | None
    userinfo_url: str
    identity: dict[str, str]
    """What `userinfo_url` tells of the person."""
    client_id: str
    client_secret: str = field(repr=False)
    client_auth: str
    """`client_secret_basic` or `client_secret_post`, as the client is registered there."""
    scopes: tuple[str, ...]
    rotates: bool
    """Whether a refresh gives a new refresh token."""
    consent: Consent


@dataclass(frozen=True)
class _Running:
    url: str
    client_id: str
    client_secret: str
    client_auth: str
    account: Account


@asynccontextmanager
async def canaille(
    *, redirect_uri: str, client_auth: str = "client_secret_basic"
) -> AsyncIterator[AuthorizationServer]:
    """Canaille: OpenID Connect; log-in in two pages, then consent. Only Basic authentication can revoke there."""
    async with _running("canaille", "canaille_site.py", redirect_uri, client_auth) as site:

        async def consent(browser: Browser, authorize_url: str) -> str:
            name_page = await browser.open(authorize_url)
            password_page = await browser.submit(name_page.form(having="login"), login=site.account.user_name)
            form = password_page.form(having="password")
            consent_page = await browser.submit(form, password=site.account.password)
            return await browser.submit_until(consent_page.form(having="answer"), redirect_uri, answer="accept")

        yield AuthorizationServer(
            name="canaille",
            issuer=site.url,
            authorize_url=f"{site.url}/oauth/authorize",
            token_url=f"{site.url}/oauth/token",
            revoke_url=f"{site.url}/oauth/revoke",
            userinfo_url=f"{site.url}/oauth/userinfo",
            identity={"sub": site.account.user_name, "email": site.account.email},
            client_id=site.client_id,
            client_secret=site.client_secret,
            client_auth=site.client_auth,
            scopes=("openid", "profile", "email"),
            rotates=True,
            consent=consent,
        )


@asynccontextmanager
async def django_oauth_toolkit(
    *, redirect_uri: str, client_auth: str = "client_secret_basic"
) -> AsyncIterator[AuthorizationServer]:
    """django-oauth-toolkit: plain OAuth 2 with PKCE required; takes both ways of client authentication."""
    async with _running("oauth2_provider", "django_site.py", redirect_uri, client_auth) as site:

        async def consent(browser: Browser, authorize_url: str) -> str:
            login = (await browser.open(authorize_url)).form("login")
            page = await browser.submit(login, username=site.account.user_name, password=site.account.password)
            return await browser.submit_until(page.form("authorizationForm"), redirect_uri, allow="Authorize")

        yield AuthorizationServer(
            name="django-oauth-toolkit",
            issuer=None,
            authorize_url=f"{site.url}/o/authorize/",
            token_url=f"{site.url}/o/token/",
            revoke_url=f"{site.url}/o/revoke_token/",
            userinfo_url=f"{site.url}/me",
            identity={"username": site.account.user_name, "email": site.account.email},
            client_id=site.client_id,
            client_secret=site.client_secret,
            client_auth=site.client_auth,
            scopes=("read", "write"),
            rotates=True,
            consent=consent,
        )


@asynccontextmanager
async def oidc_provider_mock(*, redirect_uri: str) -> AsyncIterator[AuthorizationServer]:
    """oidc-provider-mock: OpenID Connect; any client is taken, only Basic can refresh, nothing can be revoked."""
    async with _running("oidc_provider_mock", "oidc_mock_site.py", redirect_uri, "client_secret_basic") as site:

        async def consent(browser: Browser, authorize_url: str) -> str:
            page = await browser.open(authorize_url)
            return await browser.submit_until(page.form(having="sub"), redirect_uri, sub=site.account.user_name)

        yield AuthorizationServer(
            name="oidc-provider-mock",
            issuer=site.url,
            authorize_url=f"{site.url}/oauth2/authorize",
            token_url=f"{site.url}/oauth2/token",
            revoke_url=None,
            userinfo_url=f"{site.url}/userinfo",
            identity={"sub": site.account.user_name, "email": site.account.email},
            client_id=site.client_id,
            client_secret=site.client_secret,
            client_auth=site.client_auth,
            scopes=("openid", "profile", "email"),
            rotates=False,
            consent=consent,
        )


AUTHORIZATION_SERVERS = (canaille, django_oauth_toolkit, oidc_provider_mock)


@asynccontextmanager
async def _running(package: str, program: str, redirect_uri: str, client_auth: str) -> AsyncIterator[_Running]:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed; `make setup` installs the test group")
    account, client = Account(), {"client_id": "tieline", "client_secret": secrets.token_urlsafe(24)}
    plan = asdict(account) | client | {"redirect_uri": redirect_uri, "client_auth": client_auth}
    plan["secret"] = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="authorization-server-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", str(Path(__file__).with_name(program)), json.dumps(plan)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=folder,
        )
        try:
            url = await _first_line(process, program)
            yield _Running(url, client["client_id"], client["client_secret"], client_auth, account)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def _first_line(process: asyncio.subprocess.Process, program: str) -> str:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), timeout=60)
    if not line:
        raise RuntimeError(f"{program} ended before it served; see its output above")
    return line.decode().strip()
