"""Faults of addresses: what is no safe URL, and hosts that somebody may choose who must not."""

import re
from collections.abc import Iterator, Sequence

from tieline.errors import Fault
from tieline.manifest.hosts import is_host, is_port, registrable
from tieline.manifest.inputs import inputs_of
from tieline.manifest.model import AuthMethod, Input, Provider, RequestKeys
from tieline.manifest.places import (
    Address,
    api_addresses,
    listed,
    method_addresses,
    method_requests,
    webhook_requests,
)
from tieline.manifest.slots import check_url, url_plan
from tieline.manifest.templates import Expression, TemplateFault, compile_template
from tieline.manifest.trust import Deciders, deciders, host_deciders
from tieline.manifest.variables import root

_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_USER_INFORMATION = re.compile(r"\s*https?://[^/?#{]*@", re.IGNORECASE)
_OTHERS = frozenset(("user", "answer"))


def host_faults(provider: Provider) -> Iterator[Fault]:
    """Of a normal form; pointers into it."""
    yield from _glob_faults("/api/allowedHosts", provider.api.allowed_hosts)
    for name, method in (provider.auth or {"": AuthMethod()}).items():
        yield from _of_method(provider, method, f"/auth/{name}")
    for at, given in _all_inputs(provider):
        if given.type == "url" and isinstance(given.default, str) and _is_insecure(given.default):
            yield _insecure(f"{at}/default")


def _of_method(provider: Provider, method: AuthMethod, above: str) -> Iterator[Fault]:
    who, inputs = deciders(provider, method), inputs_of(provider, method)
    api = api_addresses(provider)
    for address in api:
        yield from _url_faults(address.at, address.alternatives, inputs, absolute=True)
        yield from _open_api(address, provider, who)
    for address in method_addresses(method):
        yield from _url_faults(above + address.at, address.alternatives, inputs, absolute=True)
        yield from _open_secret(address, method, who, above)
    known = {name for each in (*api, *method_addresses(method)) for name in host_names(each.alternatives)}
    requests = [(above + at, request) for at, request in method_requests(method)]
    if provider.webhooks:
        requests += [("/webhooks" + at, request) for at, request in webhook_requests(provider.webhooks)]
    for at, request in requests:
        yield from _glob_faults(f"{at}/allowedHosts", request.allowed_hosts)
        yield from _url_faults(f"{at}/url", listed(request.url), inputs, absolute=False)
        yield from _below_nothing(f"{at}/url", listed(request.url), provider)
        yield from _open_request(f"{at}/url", request, who, known)


def _url_faults(at: str, texts: Sequence[str], inputs: dict[str, Input], *, absolute: bool) -> Iterator[Fault]:
    for text in texts:
        try:
            compile_template(text)
        except TemplateFault:
            continue  # reported as a template
        if _USER_INFORMATION.match(text):
            yield Fault(at, "url_credentials", "A URL may not hold a user name or password.", "Use `apply` instead.")
            continue
        try:
            plan = url_plan(text)
            check_url(text, inputs)
        except TemplateFault as fault:
            yield Fault(at, "bad_url", fault.message, fault.hint)
            continue
        if absolute and plan.base is None and not plan.scheme:
            yield Fault(at, "bad_url", "This must be a whole address.", "Begin with https://.")
        if _is_insecure(text):
            yield _insecure(at)
        secret = {name for name in host_names([text]) if name in inputs and inputs[name].secret}
        if secret and plan.base is None:
            yield Fault(at, "secret_in_host", "A secret may not be part of a host: every name server would learn it.")


def _below_nothing(at: str, texts: Sequence[str], provider: Provider) -> Iterator[Fault]:
    if provider.api.base_url is None and any(text.startswith("/") for text in texts):
        severity = "warning" if at.startswith("/webhooks") else "error"
        hint = "Begin with https://, or give api.baseUrl."
        yield Fault(at, "base_url_missing", "A path needs a base URL to stand under.", hint, severity)


def _is_insecure(text: str) -> bool:
    scheme, _, rest = text.strip().partition("://")
    return scheme.lower() == "http" and not _LOOPBACK.fullmatch(re.split(r"[/?#]", rest, maxsplit=1)[0].lower())


def _insecure(at: str) -> Fault:
    return Fault(
        at, "insecure_url", "Credentials travel in the clear over http.", "Use https; http is for loopback only."
    )


def host_names(texts: Sequence[str]) -> set[str]:
    """The variables that have a part in the host of any of the addresses."""
    found: set[str] = set()
    for text in texts:
        try:
            plan = url_plan(text)
        except TemplateFault:
            continue
        pieces = [plan.base] if plan.base else plan.host
        found |= {root(name) for piece in pieces if isinstance(piece, Expression) for name in piece.names}
    return found


def _open_api(address: Address, provider: Provider, who: Deciders) -> Iterator[Fault]:
    decided = {each for text in address.alternatives for each in host_deciders(text, who)}
    if "answer" in decided and not provider.api.allowed_hosts:
        yield _open(address.at, "An answer of the provider chooses this host.", "Name the hosts in api.allowedHosts.")


def _open_secret(address: Address, method: AuthMethod, who: Deciders, above: str) -> Iterator[Fault]:
    """An admin's client secret goes only where the admin can know."""
    oauth2 = method.oauth2
    allowed = oauth2.token.allowed_hosts if oauth2 else ()
    decided = {each for text in address.alternatives for each in host_deciders(text, who)}
    if allowed or not decided & _OTHERS:
        return
    at = above + address.at
    admins = oauth2 is None or (oauth2.client_from != "user" and oauth2.registration in ("manual", "none"))
    metadata = address.use in ("issuer", "resource")
    if address.secret and admins and not (metadata and oauth2 and oauth2.token_url):
        yield Fault(
            at,
            "client_secret_to_open_host",
            "The admin's client secret would go to a host that a user, or an answer of the provider, chooses.",
            "Name the hosts in oauth2.token.allowedHosts, write the domain out (https://{{ name }}.acme.example), "
            "or say clientFrom: user.",
        )
    elif "answer" in decided:
        yield _open(at, "An answer of the provider chooses this host.", "Name the hosts in oauth2.token.allowedHosts.")


def _open_request(at: str, request: RequestKeys, who: Deciders, known: set[str]) -> Iterator[Fault]:
    texts = listed(request.url)
    decided = {each for text in texts for each in host_deciders(text, who)}
    if request.allowed_hosts or not decided & _OTHERS or host_names(texts) <= known:
        return
    if "answer" in decided:
        hint = "Name the hosts in allowedHosts of this request."
        yield _open(at, "An answer or a webhook of the provider chooses this host.", hint)
    else:
        hint = "Use the host of api.baseUrl, or name the hosts in allowedHosts of this request."
        yield Fault(at, "open_host", "A user chooses this host.", hint, "warning")


def _open(at: str, message: str, hint: str) -> Fault:
    return Fault(at, "open_host", message, hint)


def _glob_faults(at: str, patterns: Sequence[str]) -> Iterator[Fault]:
    for index, pattern in enumerate(patterns):
        if "{{" not in pattern and (message := glob_fault(pattern)):
            hint = "Write acme.example, or *.acme.example for what is below it."
            yield Fault(f"{at}/{index}", "bad_host", message, hint)


def glob_fault(pattern: str) -> str:
    """What is wrong with a host glob, as a sentence; empty when nothing is. The registrable domain must be literal."""
    host, colon, port = pattern.partition(":")
    plain = host.lower().replace("*", "w")
    if not is_host(plain) or (colon and not is_port(port)):
        return "This is no host name: neither scheme nor path belong here."
    if "*" not in host:
        return ""
    domain = registrable(plain)
    if domain is None or "*" in ".".join(host.split(".")[-domain.count(".") - 1 :]):
        return "This is too wide: anybody can register a host that fits."
    return ""


def _all_inputs(provider: Provider) -> Iterator[tuple[str, Input]]:
    for name, given in provider.inputs.items():
        yield f"/inputs/{name}", given
    for method_name, method in provider.auth.items():
        for name, given in method.inputs.items():
            yield f"/auth/{method_name}/inputs/{name}", given
