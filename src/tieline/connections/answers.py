"""Reads what an authorization server sends back with the browser (RFC 6749, section 4.1.2). Pure."""

from collections.abc import Mapping

from tieline.connections.access import Access
from tieline.manifest import OAuth2
from tieline.manifest.templates import Missing, Unrenderable, render_alt


def state_of(oauth2: OAuth2, params: Mapping[str, str]) -> str:
    return params.get(oauth2.callback.state_param or "state", "")


def code_of(oauth2: OAuth2, params: Mapping[str, str]) -> str:
    return params.get(oauth2.callback.code_param or "code", "")


def is_issuers(access: Access, oauth2: OAuth2, params: Mapping[str, str]) -> bool:
    """False when the answer names another issuer than the document does, or none though this provider always does (RFC
    9207, section 2.4)."""
    said = params.get("iss")
    if said is None:
        return not oauth2.callback.require_issuer
    if oauth2.issuer is None:
        return True
    try:
        return said == render_alt(oauth2.issuer, access.values())
    except (Missing, Unrenderable):
        return False


def refusal_of(oauth2: OAuth2, params: Mapping[str, str]) -> dict[str, object] | None:
    """The result of an answer that brings no code (section 4.1.2.1); the provider's prose stays out of it."""
    error = params.get(oauth2.callback.error_param)
    if error == "access_denied":
        return {"result": "cancelled"}
    if error:
        known = error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 64 else "other"
        detail = "The provider could not do it. Try again, or ask the people who run the application."
        problem = {"code": "provider-refused", "title": "The provider refused", "detail": f"{detail} ({known})"}
        return {"result": "failed", "problem": problem}
    if not code_of(oauth2, params):
        problem = {
            "code": "provider-unreadable",
            "title": "The provider sent no code",
            "detail": "The provider sent the browser back without a code. Try again.",
        }
        return {"result": "failed", "problem": problem}
    return None
