"""OAuth 2 as data: each call is a manifest Request made of the standard's parameters and the document's changes.

The defaults are templates over engine variables (`oauth.*`, `client.*`, `credential.*`), never values: what came from
outside is only ever rendered, so nothing in it can be read as a template.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote, urlencode

from tieline.manifest.model import Apply, Input, OAuth2, Refresh, Request, RequestKeys, TokenRequest
from tieline.manifest.templates import render_map, render_url

CODE = {
    "grant_type": "authorization_code",
    "code": "{{ oauth.code }}",
    "redirect_uri": "{{ oauth.redirectUri }}",
    "code_verifier": "{{ oauth.codeVerifier }}",
}
"""RFC 6749, section 4.1.3, and RFC 7636, section 4.5."""

CLIENT_CREDENTIALS = {"grant_type": "client_credentials", "scope": "{{ oauth.scope }}"}
"""RFC 6749, section 4.4.2."""

REFRESH = {"grant_type": "refresh_token", "refresh_token": "{{ credential.refreshToken }}"}
"""RFC 6749, section 6."""

REVOKE = {"token": "{{ oauth.token }}", "token_type_hint": "{{ oauth.tokenTypeHint }}"}
"""RFC 7009, section 2.1."""

CAPTURE: Mapping[str, object] = {
    "accessToken": "{{ body.access_token }}",
    "refreshToken": "{{ body.refresh_token }}",
    "idToken": "{{ body.id_token }}",
    "tokenType": "{{ body.token_type }}",
    "expiresIn": "{{ body.expires_in }}",
    "refreshExpiresIn": "{{ body.refresh_token_expires_in }}",
    "scope": "{{ body.scope }}",
}
"""RFC 6749, section 5.1, OpenID Connect Core, section 3.1.3.3, and the common name for a refresh token's life."""


NOTHING: Mapping[str, object] = MappingProxyType({})

_RAW = "%!$'()*+,/:;=?@[]{}|^`"
"""What a raw parameter keeps as it is: all but what would end it."""


def new_verifier() -> str:
    """A PKCE code verifier of 256 bits (RFC 7636, section 4.1)."""
    return secrets.token_urlsafe(32)


def challenge(verifier: str, method: str) -> str:
    """RFC 7636, section 4.2; `method` is S256 or plain."""
    if method == "plain":
        return verifier
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def authorization_url(oauth2: OAuth2, scope: Mapping[str, object], *, inputs: Mapping[str, Input]) -> str:
    """The address the browser is sent to (RFC 6749, section 4.1.1).

    `scope` holds `client.id` and under `oauth`: redirectUri, state, scope (joined), codeChallenge, codeChallengeMethod.
    Raises templates.Missing.
    """
    authorize = oauth2.authorize
    params: dict[str, object] = {
        "response_type": "code",
        "client_id": "{{ client.id }}",
        "redirect_uri": "{{ oauth.redirectUri }}",
        "scope": "{{ oauth.scope }}",
        "state": "{{ oauth.state }}",
    }
    if oauth2.pkce:
        params["code_challenge"] = "{{ oauth.codeChallenge }}"
        params["code_challenge_method"] = "{{ oauth.codeChallengeMethod }}"
    params.update(authorize.params)
    rendered = {name: _text(value) for name, value in render_map(params, scope).items()}
    raw = set(authorize.raw_params)
    encoded = [urlencode({name: value}, quote_via=quote) for name, value in rendered.items() if name not in raw]
    plain = [f"{name}={quote(value, safe=_RAW)}" for name, value in rendered.items() if name in raw]
    url = render_url(_given(oauth2.auth_url), scope, inputs=inputs)
    if authorize.fragment:
        # A page behind a hash route reads its parameters behind the hash.
        url = f"{url}#{authorize.fragment.lstrip('#')}"
    own = url.rpartition("#")[2]
    return url + ("&" if "?" in own else "?") + "&".join([*encoded, *plain])


def code_request(oauth2: OAuth2) -> Request:
    """Exchanges an authorization code for a grant (RFC 6749, section 4.1.3)."""
    defaults = CODE if oauth2.pkce else {key: value for key, value in CODE.items() if key != "code_verifier"}
    return _token_request(oauth2, defaults, oauth2.token, params=oauth2.token.params)


def client_credentials_request(oauth2: OAuth2) -> Request:
    """RFC 6749, section 4.4.2."""
    return _token_request(oauth2, CLIENT_CREDENTIALS, oauth2.token, params=oauth2.token.params)


def refresh_request(oauth2: OAuth2, refresh: Refresh) -> Request:
    """RFC 6749, section 6. What the document changes of the token call holds here too, unless `refresh` says more.

    Parameters of the token call do not carry over: they belong to the code exchange.
    """
    changed = Request().model_copy(update={**_said(oauth2.token), **_said(refresh)})
    url = refresh.url or oauth2.refresh_url or oauth2.token.url
    return _token_request(oauth2, REFRESH, changed.model_copy(update={"url": url}), params=refresh.params)


def revoke_request(oauth2: OAuth2) -> Request:
    """RFC 7009, section 2.1: once per token, with `oauth.token` and `oauth.tokenTypeHint` in the scope."""
    request = _token_request(oauth2, REVOKE, Request(), url=oauth2.revoke_url)
    return request.model_copy(update={"capture": {}})


def _token_request(
    oauth2: OAuth2,
    defaults: Mapping[str, object],
    given: Request | TokenRequest,
    *,
    params: Mapping[str, object] = NOTHING,
    url: object = None,
) -> Request:
    """The standard call with the document's changes: parameters merged (null removes), the rest replaced."""
    changed = {**_members(given.body), **params}
    how = given.format or "form"
    changes = {
        "method": given.method or "POST",
        "url": given.url or url or oauth2.token_url,
        "headers": {"Accept": "application/json", **given.headers},
        "format": how,
        "body": {**defaults, **changed},
        "use": given.use or _client_authentication(oauth2, how=how, changed=changed),
        "capture": {**CAPTURE, **given.capture},
    }
    return Request().model_copy(update={**_said(given), **changes})


def _said(request: RequestKeys) -> dict[str, object]:
    """What its author wrote of one HTTP call."""
    return {name: getattr(request, name) for name in request.model_fields_set & set(Request.model_fields)}


def _members(body: object) -> Mapping[str, object]:
    return body if isinstance(body, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # a tree of a document


def _client_authentication(oauth2: OAuth2, *, how: str, changed: Mapping[str, object]) -> Apply | str:
    """How the client proves itself (RFC 6749, section 2.3.1), but for the parameters that the document has changed.

    It is put on like a credential: a call whose client is missing does not go out.
    """
    if oauth2.client_auth == "client_secret_basic":
        coded = " | urlencode" if oauth2.client_auth_encoding == "form" else ""
        basic = {"username": f"{{{{ client.id{coded} }}}}", "password": f"{{{{ client.secret{coded} }}}}"}
        return Apply.model_validate({"basic": basic})
    proof = {"client_id": "{{ client.id }}"}
    if oauth2.client_auth == "client_secret_post":
        proof["client_secret"] = "{{ client.secret }}"  # noqa: S105  a template, not a password
    proof = {name: template for name, template in proof.items() if name not in changed}
    if not proof or how in ("none", "text", "xml"):
        return "none"
    return Apply.model_validate({"query" if how == "query" else "body": proof})


def requested(scopes: Sequence[str], separator: str) -> str:
    """The scope parameter (RFC 6749, section 3.3)."""
    return separator.join(dict.fromkeys(scopes))


def granted(answer: object, *, asked: Sequence[str]) -> tuple[str, ...]:
    """What the answer's scope says; without one, all that was asked (RFC 6749, section 5.1)."""
    match answer:
        case str() if answer.strip():
            return tuple(dict.fromkeys(answer.replace(",", " ").split()))
        case list() | tuple():
            return tuple(dict.fromkeys(str(item) for item in answer))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return tuple(asked)


def _given(alt: str | Sequence[str] | None) -> str | Sequence[str]:
    if alt is None:
        raise ValueError("this call has no address")
    return alt


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return " ".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return str(value)
