"""Who decides what a variable holds, and with that: who decides to which host something is sent."""

from collections.abc import Iterable, Mapping
from typing import Literal

from tieline.manifest.hosts import registrable
from tieline.manifest.inputs import inputs_of
from tieline.manifest.model import AuthMethod, Input, Provider
from tieline.manifest.places import listed, method_requests, webhook_requests
from tieline.manifest.slots import UrlPlan, url_plan
from tieline.manifest.templates import Expression, TemplateFault
from tieline.manifest.variables import CREDENTIAL, names_in, root

Decider = Literal["document", "admin", "user", "answer"]
Deciders = Mapping[str, frozenset[Decider]]

_ANSWER: frozenset[Decider] = frozenset(("answer",))
_SECRET_ROOTS = frozenset(("credential", "tokens", "mint", "client"))
_SECRET = ("credential", "tokens", "mint", "client.secret")
"""The engine's names of what is secret."""


def deciders(provider: Provider, method: AuthMethod) -> Deciders:
    """Variable name -> those who have a say in its value. A name that is not in it is decided by an answer."""
    declared = inputs_of(provider, method)
    found: dict[str, set[Decider]] = {name: _givers(each) for name, each in declared.items()}
    for name in _captured(provider, method):
        found.setdefault(name, set()).add("answer")
    for name in _set_by_document(provider, declared):
        found.setdefault(name, set()).add("document")
    for name, each in declared.items():
        if each.from_ == "computed":
            found[name] |= {who for used in _names_of(declared, name) for who in found.get(used, {"answer"})}
    return {name: frozenset(who) or _ANSWER for name, who in found.items()}


def _givers(declared: Input) -> set[Decider]:
    if declared.options and declared.from_ in ("user", "admin", "adminOrUser"):
        return {"document"}
    match declared.from_:
        case "user" | "adminOrUser":
            return {"user"}
        case "admin":
            return {"admin"}
        case "template":
            return {"document"}
        case "computed" | "flow":
            return {"document"} if declared.default is not None else set()


def _names_of(declared: Mapping[str, Input], formula: str) -> set[str]:
    """The names a formula reads, through other formulas."""
    seen: set[str] = set()
    waiting = [formula]
    while waiting:
        for text in listed(declared[waiting.pop()].value):
            new = {root(name) for name in names_in(text)} - seen
            seen |= new
            waiting.extend(name for name in new if name in declared and declared[name].from_ == "computed")
    return {name for name in seen if name not in declared or declared[name].from_ != "computed"}


def _captured(provider: Provider, method: AuthMethod) -> set[str]:
    captures = [request.capture for _, request in method_requests(method)]
    if method.oauth2:
        captures.append(method.oauth2.callback.capture)
    if method.oauth1:
        captures.append(method.oauth1.capture)
    if method.app:
        captures.append(method.app.callback.capture)
    if provider.webhooks:
        captures += [request.capture for _, request in webhook_requests(provider.webhooks)]
        captures += [handshake.capture for handshake in provider.webhooks.handshakes]
    return {name for capture in captures for name in capture if "." not in name and name not in CREDENTIAL}


def _set_by_document(provider: Provider, declared: Mapping[str, Input]) -> Iterable[str]:
    for variant in provider.variants:
        yield from variant.set
    for each in declared.values():
        for option in each.options:
            yield from option.set


def is_secret(texts: Iterable[str], declared: Mapping[str, Input]) -> bool:
    """Whether something secret may stand in what these templates give: the credential, or an input that is secret, be
    it through a formula."""
    names = {name for text in texts for name in names_in(text)}
    if any(name.startswith(_SECRET) for name in names):
        return True
    roots = {root(name) for name in names}
    formulas = [name for name in roots if name in declared and declared[name].from_ == "computed"]
    within = {used for name in formulas for used in _names_of(declared, name)}
    return any(name in declared and declared[name].secret for name in roots | within) or bool(within & _SECRET_ROOTS)


def host_deciders(text: str, who: Deciders) -> frozenset[Decider]:
    """Those who choose the registrable domain that an address leads to; only the document when that is literal.

    Empty for a path under the base URL, and for a template that is no address (a fault of its own).
    """
    try:
        plan = url_plan(text)
    except TemplateFault:
        return frozenset()
    if plan.base is not None:
        return _deciders_of([plan.base], who)
    if not plan.scheme:
        return frozenset()
    return frozenset(("document",)) | _deciders_of(_open_pieces(plan), who)


def _open_pieces(plan: UrlPlan) -> list[Expression]:
    """The expressions of the host which are not left of a literal registrable domain."""
    behind = ""
    for index in range(len(plan.host) - 1, -1, -1):
        piece = plan.host[index]
        if isinstance(piece, Expression):
            labels = behind.partition(".")[2]
            if registrable(labels.lower()) is None:
                return [piece for piece in plan.host if isinstance(piece, Expression)]
            return []
        behind = piece + behind
    return []


def _deciders_of(pieces: Iterable[Expression], who: Deciders) -> frozenset[Decider]:
    names = {root(name) for piece in pieces for name in piece.names}
    return frozenset(each for name in names for each in who.get(name, _ANSWER))
