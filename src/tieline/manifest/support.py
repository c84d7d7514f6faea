"""What the language can say and this version of Tieline cannot do yet, as sentences for people."""

from collections.abc import Iterator

from tieline.manifest.model import Apply, AuthMethod, OAuth2, Provider
from tieline.manifest.places import method_requests

_GRANTS = ("authorization_code", "client_credentials")
_SHORT = {"urn:ietf:params:oauth:grant-type:device_code": "device_code"}


def not_yet(provider: Provider, method_name: str) -> list[str]:
    """The reasons why this method cannot be connected; empty when it can."""
    if provider.members:
        return ["Providers that are made of several members cannot be connected yet."]
    method = provider.auth.get(method_name)
    if method is None:
        return [f"There is no auth method {method_name}."]
    return list(dict.fromkeys([*_of_provider(provider), *_of_method(method)]))


def _of_provider(provider: Provider) -> Iterator[str]:
    if provider.is_template:
        yield "This is a template: extend it, and connect what comes out."


def _of_method(method: AuthMethod) -> Iterator[str]:
    if method.type == "webhook":
        yield "A provider with webhooks alone has nothing to connect."
    if method.oauth1:
        yield "OAuth 1.0a is not supported yet."
    if method.app:
        yield "Installing an app at the provider is not supported yet."
    if method.mint:
        yield "Tokens that Tieline signs itself are not supported yet."
    if method.steps:
        yield "Acquiring a credential in several steps is not supported yet."
    if method.oauth2:
        yield from _of_oauth2(method.oauth2)
    yield from _of_refresh(method)
    uses = [request.use for _, request in method_requests(method) if isinstance(request.use, Apply)]
    for rule in (*method.apply, *uses):
        if rule.sign:
            yield f"Signing requests ({rule.sign.type}) is not supported yet."
        if rule.tls:
            yield "Client certificates are not supported yet."


def _of_oauth2(oauth2: OAuth2) -> Iterator[str]:
    grant = _SHORT.get(oauth2.grant, oauth2.grant)
    if grant not in _GRANTS:
        yield f"The OAuth grant {grant} is not supported yet."
    missing = oauth2.token_url is None or (grant == "authorization_code" and oauth2.auth_url is None)
    if missing and (oauth2.issuer or oauth2.resource):
        yield "Finding the OAuth endpoints from the issuer's or server's metadata is not supported yet."
    elif missing:
        yield "The document does not say where to get a token."
    if oauth2.registration != "manual":
        yield f"Registering the OAuth client by itself ({oauth2.registration}) is not supported yet."
    if oauth2.client_auth not in ("client_secret_post", "client_secret_basic", "none"):
        yield f"Client authentication by {oauth2.client_auth} is not supported yet."
    if oauth2.par_url:
        yield "Pushed authorization requests are not supported yet."
    if oauth2.then:
        yield "Further exchanges after the token call are not supported yet."
    if oauth2.callback.state_param is None:
        yield "A provider that does not bring the state back cannot be told from another one yet."
    if oauth2.callback.source == "webhook":
        yield "Installs that the provider starts by a webhook are not supported yet."


def _of_refresh(method: AuthMethod) -> Iterator[str]:
    if method.refresh.via == "request":
        yield "Renewing a credential by a request of its own is not supported yet."
    if method.refresh.introspect:
        yield "Asking the provider whether a token still lives is not supported yet."
    if method.refresh.tokens:
        yield "Renewing named tokens is not supported yet."
    if not isinstance(method.refresh.then, bool) and method.refresh.then:
        yield "Further exchanges after a refresh are not supported yet."
