"""Where the addresses and the Requests of a document stand, by JSON pointer below their auth method or `webhooks`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tieline.manifest.model import AuthMethod, Provider, Request, RequestKeys, Webhooks


@dataclass(frozen=True)
class Address:
    """An address with the use it has; `secret`: whether the client proves itself there."""

    at: str
    use: str
    alternatives: tuple[str, ...]
    secret: bool = False


def listed(alt: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if alt is None else (alt,) if isinstance(alt, str) else tuple(alt)


def api_addresses(provider: Provider) -> list[Address]:
    """Below the document itself."""
    servers = [Address(f"/api/servers/{name}", "api", listed(url)) for name, url in provider.api.servers.items()]
    return [Address("/api/baseUrl", "api", listed(provider.api.base_url)), *servers]


def method_addresses(method: AuthMethod) -> list[Address]:
    """Those of the protocol blocks; requests have their own."""
    found: list[Address] = []
    if oauth2 := method.oauth2:
        proves = oauth2.client_auth != "none"
        found = [
            Address("/oauth2/issuer", "issuer", listed(oauth2.issuer), proves),
            Address("/oauth2/resource", "resource", listed(oauth2.resource), proves),
            Address("/oauth2/authUrl", "authorize", listed(oauth2.auth_url)),
            Address("/oauth2/tokenUrl", "token", listed(oauth2.token_url), proves),
            Address("/oauth2/refreshUrl", "refresh", listed(oauth2.refresh_url), proves),
            Address("/oauth2/revokeUrl", "revoke", listed(oauth2.revoke_url), proves),
            Address("/oauth2/introspectUrl", "introspect", listed(oauth2.introspect_url), proves),
            Address("/oauth2/userinfoUrl", "userinfo", listed(oauth2.userinfo_url)),
            Address("/oauth2/deviceUrl", "device", listed(oauth2.device_url), proves),
            Address("/oauth2/parUrl", "par", listed(oauth2.par_url), proves),
            Address("/oauth2/registrationUrl", "registration", listed(oauth2.registration_url)),
        ]
    if oauth1 := method.oauth1:
        found += [
            Address("/oauth1/requestUrl", "token", listed(oauth1.request_url), secret=True),
            Address("/oauth1/authUrl", "authorize", listed(oauth1.auth_url)),
            Address("/oauth1/tokenUrl", "token", listed(oauth1.token_url), secret=True),
        ]
    if app := method.app:
        found.append(Address("/app/installUrl", "authorize", listed(app.install_url)))
    return [address for address in found if address.alternatives]


def method_requests(method: AuthMethod) -> Iterator[tuple[str, RequestKeys]]:
    yield from _numbered("/steps", method.steps)
    if method.oauth2:
        yield "/oauth2/token", method.oauth2.token
        yield from _numbered("/oauth2/then", method.oauth2.then)
    yield "/refresh", method.refresh
    if isinstance(method.refresh.introspect, Request):
        yield "/refresh/introspect", method.refresh.introspect
    if not isinstance(method.refresh.then, bool):
        yield from _numbered("/refresh/then", method.refresh.then)
    for name, request in method.refresh.tokens.items():
        yield f"/refresh/tokens/{name}", request
    yield from _numbered("/onConnect", method.on_connect)
    yield from _numbered("/revoke", method.revoke)
    yield from _numbered("/check/requests", method.check.requests if method.check else ())


def webhook_requests(webhooks: Webhooks) -> Iterator[tuple[str, RequestKeys]]:
    found = [("/subscribe", webhooks.subscribe), ("/renew", webhooks.renew), ("/unsubscribe", webhooks.unsubscribe)]
    for index, verify in enumerate(webhooks.verify):
        found += [(f"/verify/{index}/keyRequest", verify.key_request), (f"/verify/{index}/request", verify.request)]
    found += [(f"/handshakes/{index}/request", each.request) for index, each in enumerate(webhooks.handshakes)]
    yield from ((at, request) for at, request in found if request is not None)


def _numbered(at: str, requests: Sequence[RequestKeys]) -> Iterator[tuple[str, RequestKeys]]:
    for index, request in enumerate(requests):
        yield f"{at}/{index}", request
