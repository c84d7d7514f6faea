"""Asks the provider whether a credential works, and who it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tieline.connections.access import Access
from tieline.egress import Egress
from tieline.errors import CheckFailed, ProviderRefused, TielineError
from tieline.manifest import Check
from tieline.manifest.templates import Missing, Unrenderable, render_alt
from tieline.protocols.oauth2 import granted
from tieline.runner import run

_USERINFO = {"id": "{{ body.sub }}", "label": ["{{ body.name }}", "{{ body.email }}"], "email": "{{ body.email }}"}
_ID_TOKEN = {
    "id": "{{ (credential.idToken | claims).sub }}",
    "label": ["{{ (credential.idToken | claims).name }}", "{{ (credential.idToken | claims).email }}"],
    "email": "{{ (credential.idToken | claims).email }}",
}


@dataclass(frozen=True)
class Checked:
    """`identity` is by the document's names (id, label, email, ...); `scopes` are None where the check cannot tell."""

    identity: Mapping[str, str] = field(default_factory=dict[str, str])
    scopes: tuple[str, ...] | None = None
    problem: TielineError | None = None
    access: Access | None = None


async def check(access: Access, egress: Egress, *, now: datetime) -> Checked:
    """Never raises for what the provider does: that is the result's problem. `access` has what the check captured."""
    wanted = _wanted(access)
    steps: dict[str, object] = {}
    answer: Mapping[str, object] = {}
    problem: TielineError | None = None
    for request in wanted.requests:
        try:
            outcome = await run(request, access.setting("check", steps=steps), egress, now=now)
        except (Missing, Unrenderable) as error:
            return Checked(problem=CheckFailed(f"The check cannot be made: {error}"))
        if outcome.problem is not None:
            problem = problem or _refusal(outcome.problem)
            if wanted.mode == "all" and not request.optional:
                return Checked(problem=problem)
            continue
        access = access.with_captured(outcome.captured)
        answer = outcome.answer
        if request.id:
            steps[request.id] = outcome.answer
        if wanted.mode == "any":
            break
    if not answer and problem is not None:
        return Checked(problem=problem)
    seen = {**access.values(), **answer, "steps": steps}
    identity = {str(name): text for name, alt in wanted.identity.items() if (text := _text(alt, seen, access))}
    return Checked(identity, _scopes(wanted, seen, access), None, access)


def has_identity(access: Access) -> bool:
    """Whether a check can tell two accounts apart."""
    return "id" in _wanted(access).identity


def _wanted(access: Access) -> Check:
    """The document's check; without one, the user info endpoint, or what the id token says (OpenID Connect)."""
    method = access.method
    if method.check is not None:
        return method.check
    if method.oauth2 and method.oauth2.userinfo_url:
        request = {"method": "GET", "url": method.oauth2.userinfo_url}
        return Check.model_validate({"requests": [request], "identity": _USERINFO})
    if method.oauth2 and "openid" in access.grant.scopes:
        return Check.model_validate({"identity": _ID_TOKEN})
    return Check()


def _refusal(problem: TielineError) -> TielineError:
    if not isinstance(problem, ProviderRefused):
        return problem
    status = problem.facts.get("status")
    return CheckFailed(
        f"The provider does not accept this credential (it answered {status}). Check that it is right and still valid.",
        status=status,
        error=problem.facts.get("error"),
    )


def _scopes(wanted: Check, seen: Mapping[str, object], access: Access) -> tuple[str, ...] | None:
    scopes = None if wanted.scopes is None else _render(wanted.scopes, seen)
    return None if scopes is None else tuple(filter(access.is_shown, granted(scopes, asked=())))


def _text(alt: object, seen: Mapping[str, object], access: Access) -> str | None:
    """Who it is, as it is stored and shown in the clear: never by a secret, though some providers name a key's account
    by that key."""
    value = _render(alt, seen)
    text = None if value is None or isinstance(value, dict | list) else str(value)
    return text[:255] if text is not None and access.is_shown(text) else None


def _render(alt: object, seen: Mapping[str, object]) -> object:
    try:
        return render_alt(alt, seen)  # pyright: ignore[reportArgumentType]  # an Alt
    except (Missing, Unrenderable):
        return None
