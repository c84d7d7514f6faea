"""The authorization endpoint (RFC 6749, section 4.1) and its page, on which a person is chosen and says yes or no."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tieline.testing.ledger import Approval, TokenFault
from tieline.testing.parameters import once, read_form
from tieline.testing.practice import SCOPES, Practice


@dataclass(frozen=True)
class _Asked:
    """A good authorization request; `issuer` is this server's own address."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    challenge: str | None
    issuer: str


class AuthorizationEndpoint:
    def __init__(self, practice: Practice) -> None:
        self._practice = practice
        self._pending: dict[str, _Asked] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/authorize", self.ask, methods=["GET"]),
            Route("/authorize", self.decide, methods=["POST"]),
            Route("/.well-known/oauth-authorization-server", self.metadata, methods=["GET"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Show the page, or send the browser back at once. A faulty client or redirect URI is never redirected to."""
        try:
            given = once(parse_qsl(request.url.query))
            redirect_uri = self._redirect_uri(given)
        except TokenFault as fault:
            return _page("refused.html", status=400, fault=fault)
        issuer = _issuer(request)
        try:
            asked = self._read(given, redirect_uri=redirect_uri, issuer=issuer)
        except TokenFault as fault:
            answer = {"error": fault.error, "error_description": fault.description, "state": given.get("state")}
            return _back(redirect_uri, answer | {"iss": issuer})
        if self._practice.switches.consent == "auto":
            return self._allow(asked, user=self._practice.switches.current_user)
        number = secrets.token_urlsafe(16)
        self._pending[number] = asked
        current, people = self._practice.switches.current_user, self._practice.people.values()
        return _page("consent.html", number=number, asked=asked, people=people, current=current)

    async def decide(self, request: Request) -> Response:
        """The answer of the page's form: `request`, `account` and `decision`."""
        form = await read_form(request)
        asked = self._pending.pop(form.get("request", ""), None)
        if asked is None or form.get("account") not in self._practice.people:
            fault = TokenFault("invalid_request", "This page was answered before, or it is not from here.")
            return _page("refused.html", status=400, fault=fault)
        if form.get("decision") != "allow":
            denied = {"error": "access_denied", "error_description": "The person said no."}
            return _back(asked.redirect_uri, denied | {"state": asked.state, "iss": asked.issuer})
        return self._allow(asked, user=form["account"])

    async def metadata(self, request: Request) -> Response:
        """RFC 8414."""
        issuer, switches = _issuer(request), self._practice.switches
        names = {"post": "client_secret_post", "basic": "client_secret_basic", "none": "none"}
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "revocation_endpoint": f"{issuer}/revoke",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "scopes_supported": list(SCOPES),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
                "token_endpoint_auth_methods_supported": [names[way] for way in switches.token_auth],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    def _redirect_uri(self, given: Mapping[str, str]) -> str:
        if given.get("client_id") != self._practice.client_id:
            raise TokenFault("invalid_request", "The client is not known.")
        uri = given.get("redirect_uri", "")
        registered = self._practice.redirect_uris
        known = urlsplit(uri).scheme in ("http", "https") if registered is None else uri in registered
        if not known:
            raise TokenFault("invalid_request", "The redirect URI is not registered.")
        return uri

    def _read(self, given: Mapping[str, str], *, redirect_uri: str, issuer: str) -> _Asked:
        if given.get("response_type") != "code":
            raise TokenFault("unsupported_response_type", "Only code is known here.")
        challenge = given.get("code_challenge")
        if challenge is None and self._practice.switches.require_pkce:
            raise TokenFault("invalid_request", "code_challenge is missing.")
        if challenge is not None and given.get("code_challenge_method") != "S256":
            raise TokenFault("invalid_request", "code_challenge_method must be S256.")
        scopes = read_scopes(given.get("scope"), self._practice)
        return _Asked(redirect_uri, given.get("state"), scopes, challenge, issuer)

    def _allow(self, asked: _Asked, *, user: str) -> Response:
        approval = Approval(user, asked.scopes, asked.redirect_uri, asked.challenge)
        code = self._practice.ledger.issue_code(approval)
        return _back(asked.redirect_uri, {"code": code, "state": asked.state, "iss": asked.issuer})


def read_scopes(text: str | None, practice: Practice) -> tuple[str, ...]:
    """The scopes to grant for those asked for; asked for none, all of them."""
    asked = tuple(text.split()) if text else SCOPES
    if unknown := set(asked) - set(SCOPES):
        raise TokenFault("invalid_scope", f"There is no scope {', '.join(sorted(unknown))}.")
    granted = practice.switches.granted_scopes
    return asked if granted is None else tuple(scope for scope in asked if scope in granted)


def _issuer(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _back(redirect_uri: str, answer: Mapping[str, str | None]) -> Response:
    """The answer in the query of the redirect URI, with `iss` (RFC 9207)."""
    query = urlencode({name: value for name, value in answer.items() if value is not None})
    return RedirectResponse(redirect_uri + ("&" if "?" in redirect_uri else "?") + query, status_code=302)


def _page(name: str, *, status: int = 200, **values: object) -> Response:
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    return HTMLResponse(_template(name).render(**values), status_code=status, headers=headers)


@cache
def _template(name: str) -> Template:
    return Environment(loader=PackageLoader("tieline.testing"), autoescape=True).get_template(name)
