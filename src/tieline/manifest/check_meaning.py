"""Faults of meaning: pieces that an auth method lacks, inputs that contradict themselves, patterns, versions, links."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from tieline.errors import Fault, InvalidInputs
from tieline.manifest.inputs import read_value
from tieline.manifest.model import AuthMethod, Input, OAuth2, Provider, Verify
from tieline.manifest.patterns import pattern_fault
from tieline.manifest.places import method_requests
from tieline.manifest.shaping import pointer

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_LINK = re.compile(r"(https?://[^\s\\]+|/(?!/)[^\s\\]*)", re.IGNORECASE)
_LONGEST_MATCH = 200


def meaning_faults(resolved: dict[str, Any], provider: Provider) -> Iterator[Fault]:
    """Of a normal form; pointers into it."""
    if not _SEMVER.fullmatch(provider.version):
        yield Fault("/version", "bad_version", "A version has three numbers: 1.0.0.")
    yield from _links(provider)
    yield from _inputs("/inputs", provider.inputs, provider.inputs)
    for name, method in provider.auth.items():
        yield from _inputs(f"/auth/{name}/inputs", method.inputs, {**provider.inputs, **method.inputs})
        if not provider.is_template:
            yield from _method(f"/auth/{name}", method)
            yield from _base_url(f"/auth/{name}", provider, method)
    if not (provider.auth or provider.members or provider.webhooks or provider.is_template):
        yield Fault("/auth", "nothing_to_connect", "There is no auth method.", "Say authType: none.", "warning")
    for name, times in Counter(variant.id for variant in provider.variants).items():
        if times > 1:
            yield Fault("/variants", "duplicate_id", f"There are {times} variants {name}.")
    yield from _webhooks(provider)
    yield from _matches({key: resolved.get(key) for key in ("auth", "api", "webhooks")}, ())


def _links(provider: Provider) -> Iterator[Fault]:
    found = {"/logoUrl": provider.logo_url, "/documentation": provider.documentation}
    found |= {f"/links/{name}": link for name, link in provider.links.items()}
    if provider.branding:
        found |= {
            "/branding/logoUrl": provider.branding.logo_url,
            "/branding/logoDarkUrl": provider.branding.logo_dark_url,
        }
    for name, method in provider.auth.items():
        found[f"/auth/{name}/documentation"] = method.documentation
    for at, link in found.items():
        if link is not None and not _LINK.fullmatch(link):
            yield Fault(at, "bad_link", "A link begins with https://, http:// or /.")


def _inputs(above: str, inputs: dict[str, Input], visible: dict[str, Input]) -> Iterator[Fault]:
    for name, given in inputs.items():
        at = f"{above}/{name}"
        if given.pattern is not None and (message := pattern_fault(given.pattern)):
            yield Fault(f"{at}/pattern", "bad_pattern", message)
        elif given.default is not None:
            yield from _default(at, name, given)
        if given.type == "choice" and not given.options:
            yield Fault(f"{at}/options", "options_missing", "A choice needs options.")
        if given.from_ == "computed" and given.value is None:
            yield Fault(f"{at}/value", "formula_missing", "A computed input needs a value: the formula.")
        if given.visible_when and given.visible_when.input not in visible:
            there = ", ".join(sorted(visible))
            yield Fault(f"{at}/visibleWhen/input", "unknown_variable", "There is no such input.", f"Known: {there}.")


def _default(at: str, name: str, given: Input) -> Iterator[Fault]:
    if given.secret:
        message = "A secret does not belong in a document: everybody who may read it would know it."
        yield Fault(f"{at}/default", "secret_default", message, "Let the admin give it: from: admin.")
        return
    try:
        read_value(name, given, given.default)
    except InvalidInputs as error:
        yield Fault(f"{at}/default", "bad_default", error.errors[0].message)


def _method(at: str, method: AuthMethod) -> Iterator[Fault]:
    match method.type:
        case "oauth2":
            if method.oauth2 is None:
                yield Fault(
                    f"{at}/oauth2", "missing_key", "OAuth 2.0 needs a block oauth2.", "Give authUrl and tokenUrl."
                )
        case "oauth1":
            if method.oauth1 is None:
                yield Fault(f"{at}/oauth1", "missing_key", "OAuth 1.0a needs a block oauth1.")
        case "app":
            if method.app is None:
                yield Fault(f"{at}/app", "missing_key", "Installing an app needs a block app.")
        case "session":
            if not (method.steps or method.oauth2):
                yield Fault(f"{at}/steps", "missing_key", "A session needs steps that acquire it.")
        case "api_key" | "signature":
            if not method.apply:
                hint = "Give apiKey: {location: header, keyName: ...} or apply."
                yield Fault(f"{at}/apply", "missing_key", "Nothing says where the credential goes.", hint)
        case _:
            pass
    if method.oauth2:
        yield from _oauth2(f"{at}/oauth2", method.oauth2)
    if method.refresh.via == "request" and method.refresh.url is None:
        yield Fault(f"{at}/refresh/url", "missing_key", "Renewing by a request needs its url.")
    if method.refresh.rotation == "grace" and method.refresh.grace is None:
        yield Fault(
            f"{at}/refresh/grace", "missing_key", "Say for how many seconds the old token works.", "", "warning"
        )


def _oauth2(at: str, oauth2: OAuth2) -> Iterator[Fault]:
    if oauth2.callback.require_issuer and oauth2.issuer is None:
        message = "Nothing says who the issuer is that an answer has to name."
        yield Fault(f"{at}/issuer", "missing_key", message, "Give issuer as the provider's metadata has it.")
    if oauth2.issuer or oauth2.resource:
        return
    hint = "Or give issuer (RFC 8414) or resource (RFC 9728), from whose metadata it is read."
    if oauth2.grant == "authorization_code" and oauth2.auth_url is None:
        yield Fault(f"{at}/authUrl", "missing_key", "Nothing says where the user is sent to.", hint)
    if oauth2.grant == "device_code" and oauth2.device_url is None:
        yield Fault(f"{at}/deviceUrl", "missing_key", "Nothing says where a device code is asked for.", hint)
    if oauth2.token_url is None and oauth2.token.url is None:
        yield Fault(f"{at}/tokenUrl", "missing_key", "Nothing says where tokens come from.", hint)


def _base_url(at: str, provider: Provider, method: AuthMethod) -> Iterator[Fault]:
    if provider.api.base_url is not None or method.type in (None, "none", "webhook"):
        return
    if not any(request.url for _, request in method_requests(method)):
        message = "Without api.baseUrl the API of the provider cannot be called through Tieline."
        yield Fault("/api/baseUrl", "base_url_missing", message, severity="warning")


def _webhooks(provider: Provider) -> Iterator[Fault]:
    webhooks = provider.webhooks
    if webhooks is None or not webhooks.supports_webhooks:
        return
    if not webhooks.verify:
        message = "Nothing says how a delivery is proved genuine, so every one will be refused."
        yield Fault("/webhooks/verify", "unsigned_webhooks", message, "Give signatureHeader or verify.", "warning")
    for index, verify in enumerate(webhooks.verify):
        yield from _verify(f"/webhooks/verify/{index}", verify)


def _verify(at: str, verify: Verify) -> Iterator[Fault]:
    if verify.scheme in ("hmac", "hash", "asymmetric", "jwt", "token") and verify.signature is None:
        yield Fault(
            f"{at}/signature", "missing_key", "Nothing says where the signature is.", "{{ headers['x-signature'] }}"
        )
    if verify.scheme in ("hmac", "hash", "asymmetric") and verify.algorithm is None:
        yield Fault(f"{at}/algorithm", "missing_key", "Nothing says which algorithm signs.", "For example sha256.")
    if verify.scheme == "request" and verify.request is None:
        yield Fault(f"{at}/request", "missing_key", "Nothing says which request asks the provider.")
    if verify.scheme == "ip" and not verify.ranges:
        yield Fault(f"{at}/ranges", "missing_key", "Nothing says which addresses may deliver.")


def _matches(tree: object, at: tuple[str | int, ...]) -> Iterator[Fault]:
    """The patterns of all Tests below."""
    if isinstance(tree, dict):
        members = cast(dict[str, object], tree)
        pattern = members.get("matches")
        message = pattern_fault(pattern, longest=_LONGEST_MATCH) if isinstance(pattern, str) else ""
        if "value" in members and message:
            yield Fault(pointer((*at, "matches")), "bad_pattern", message)
        for key, member in members.items():
            yield from _matches(member, (*at, key))
    elif isinstance(tree, list):
        for index, item in enumerate(cast(list[object], tree)):
            yield from _matches(item, (*at, index))
