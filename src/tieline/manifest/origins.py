"""Where a connection's bytes may go: sets of origins by use, rendered once with the connection's own values.

They are stored when somebody consents and only compared afterwards, so a later edit cannot re-point a credential.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

from tieline.manifest.hosts import read_authority
from tieline.manifest.inputs import inputs_of
from tieline.manifest.model import AuthMethod, Input, Provider
from tieline.manifest.places import api_addresses, listed, method_addresses, method_requests, webhook_requests
from tieline.manifest.slots import render_url, url_plan
from tieline.manifest.templates import Missing, TemplateFault, Unrenderable
from tieline.manifest.trust import Deciders, deciders, host_deciders

_URL = re.compile(r"(https?)://([^/?#\\\s@]+)(?=[/?#]|$)", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_PATTERN = re.compile(r"(https?)://([a-z0-9_.*-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:[/?#].*)?", re.DOTALL)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def host_fits(pattern: str, host: str) -> bool:
    """`*.acme.example` has one or more labels before the domain; any other `*` stays within its label."""
    return _glob(pattern.lower()).fullmatch(host.lower()) is not None


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    many, rest = ("[^.]+(?:\\.[^.]+)*\\.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    return re.compile(many + "[^.]*".join(re.escape(part) for part in rest.split("*")))


@dataclass(frozen=True)
class OriginSet:
    """Patterns such as `https://api.acme.example`, `https://api.acme.example:8443`, `https://*.acme.example`."""

    patterns: tuple[str, ...] = ()

    @classmethod
    def of(cls, *urls: str) -> "OriginSet":
        """From URLs or patterns, of which scheme, host and port count. Raises ValueError for anything else."""
        return cls(tuple(sorted({_pattern(url) for url in urls})))

    def allows(self, url: str) -> bool:
        origin = origin_of(url)
        return origin is not None and any(_covers(pattern, origin) for pattern in self.patterns)

    def within(self, other: "OriginSet") -> "OriginSet":
        """What both allow."""
        both = [each for each in self.patterns if any(_covers(pattern, each) for pattern in other.patterns)]
        both += [each for each in other.patterns if any(_covers(pattern, each) for pattern in self.patterns)]
        return OriginSet(tuple(sorted(set(both))))

    def __or__(self, other: "OriginSet") -> "OriginSet":
        return OriginSet(tuple(sorted({*self.patterns, *other.patterns})))


def origin_of(url: str) -> str | None:
    """`https://host` or `https://host:port` in lower case; None for what is no plain http(s) URL."""
    found = None if _UNFIT.search(url) else _URL.match(url)
    authority = found and read_authority(found[2])
    return f"{found[1].lower()}://{_without_default(found[1].lower(), authority)}" if found and authority else None


def _pattern(url: str) -> str:
    found = _PATTERN.fullmatch(url.lower())
    if found is None or _UNFIT.search(url):
        raise ValueError("This is no origin.")
    scheme, host, port = found.groups()
    return f"{scheme}://{_without_default(scheme, f'{host}:{int(port)}' if port else host)}"


def _without_default(scheme: str, authority: str) -> str:
    return authority.removesuffix(f":{_DEFAULT_PORTS[scheme]}")


def _covers(pattern: str, origin: str) -> bool:
    if "*" not in pattern:
        return pattern == origin
    scheme, _, authority = pattern.partition("://")
    other_scheme, _, other = origin.partition("://")
    host, _, port = authority.partition(":")
    other_host, _, other_port = other.partition(":")
    return scheme == other_scheme and port == other_port and host_fits(host, other_host)


@dataclass(frozen=True)
class Origins:
    """A use -> where it may go. Uses: api, check, authorize, token, refresh, revoke, introspect, userinfo, and
    `request:<where>` for the literal host that one of the document's own Requests names for itself alone.
    """

    uses: Mapping[str, OriginSet]

    @property
    def text(self) -> str:
        """Canonical JSON, which is stored and hashed."""
        uses = {use: list(origins.patterns) for use, origins in self.uses.items()}
        return json.dumps(uses, sort_keys=True, separators=(",", ":"))

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> "Origins":
        """Raises ValueError."""
        found: object = json.loads(text) if text else {}
        if not isinstance(found, dict):
            raise ValueError("These are no origins.")
        return cls({use: OriginSet.of(*patterns) for use, patterns in cast(dict[str, list[str]], found).items()})

    def of_use(self, use: str) -> OriginSet:
        return self.uses.get(use, OriginSet())

    def reach(self, *uses: str) -> OriginSet:
        """All that these uses may reach, the hosts among them that one of their Requests names for itself alone."""
        if uses not in self._reaches:
            own = tuple(f"request:{use}." for use in uses)
            sets = [origins for use, origins in self.uses.items() if use in uses or use.startswith(own)]
            self._reaches[uses] = OriginSet(tuple(sorted({pattern for each in sets for pattern in each.patterns})))
        return self._reaches[uses]

    @cached_property
    def _reaches(self) -> dict[tuple[str, ...], OriginSet]:
        return {}

    @cached_property
    def all(self) -> OriginSet:
        return OriginSet.of(*(pattern for origins in self.uses.values() for pattern in origins.patterns))


@dataclass(frozen=True)
class _Scope:
    values: Mapping[str, object]
    inputs: Mapping[str, Input]
    who: Deciders

    def origins(self, texts: Iterable[str], allowed: Iterable[str]) -> set[str]:
        """Of the alternatives that have their values; an open host counts only if the document allows it by name."""
        hosts = OriginSet.of(*(f"https://{host}" for host in allowed))
        found = {(text, origin) for text in texts if (origin := self._origin(text))}
        return {origin for text, origin in found if hosts.allows(origin) or not self._is_open(text, hosts)}

    def _is_open(self, text: str, hosts: OriginSet) -> bool:
        who = host_deciders(text, self.who)
        return "answer" in who or ("user" in who and bool(hosts.patterns))

    def _origin(self, text: str) -> str | None:
        try:
            return origin_of(render_url(_up_to_path(text), self.values, inputs=self.inputs))
        except (Missing, Unrenderable, TemplateFault):
            return None


def origins_of(provider: Provider, method: AuthMethod | None, values: Mapping[str, object]) -> Origins:
    """Rendered with the connection's values (or the admin's, for what an admin gives). An alternative with a missing
    variable is left out; without a method there is only the use `api`.
    """
    scope = _scope(provider, method, values)
    allowed = provider.api.allowed_hosts
    api = {f"https://{host.lower()}" for host in allowed}
    api |= scope.origins((text for each in api_addresses(provider) for text in each.alternatives), allowed)
    uses: dict[str, set[str]] = {"api": api}
    if method is not None:
        _add_protocol(uses, method, scope)
        _add_requests(uses, provider, method, scope)
        uses["revoke"] = uses.get("revoke", set()) | api
        uses["check"] = uses.get("check", set()) | api
    return Origins({use: OriginSet.of(*origins) for use, origins in uses.items() if origins})


def client_origins_of(provider: Provider, method: AuthMethod, values: Mapping[str, object]) -> Origins:
    """Where the secret of an admin's client may go, known before any user is there: `values` are the admin's.

    A domain that the document writes is known (`https://*.acme.example`) though a user chooses the name before it,
    and so is every value that the document's variants and options set.
    """
    declared = inputs_of(provider, method)
    chosen = [variant.set for variant in provider.variants]
    chosen += [option.set for each in declared.values() for option in each.options]
    chosen += [{name: option.value} for name, each in declared.items() for option in each.options]
    found = [origins_of(provider, method, {**values, **each}) for each in ({}, *chosen)]
    found.append(_domains_of(provider, method))
    uses = {use for origins in found for use in origins.uses}
    return Origins({use: OriginSet.of(*(p for each in found for p in each.of_use(use).patterns)) for use in uses})


# A host of the first use is one of the others as well, in `origins_of` and here.
_ALSO = {"refresh": ("token",), "token": ("refresh",), "api": ("check", "revoke")}


def _domains_of(provider: Provider, method: AuthMethod) -> Origins:
    """Of addresses whose host ends in a literal domain behind a variable: that domain with all names before it."""
    uses: dict[str, set[str]] = {}
    for address in [*api_addresses(provider), *method_addresses(method)]:
        for text in address.alternatives:
            if (pattern := _domain_pattern(text)) is not None:
                for use in (address.use, *_ALSO.get(address.use, ())):
                    uses.setdefault(use, set()).add(pattern)
    return Origins({use: OriginSet.of(*patterns) for use, patterns in uses.items()})


def _domain_pattern(text: str) -> str | None:
    try:
        plan = url_plan(text)
    except TemplateFault:
        return None
    variable = [index for index, piece in enumerate(plan.host) if not isinstance(piece, str)]
    if not plan.scheme or not variable or plan.port or host_deciders(text, {}) != frozenset(("document",)):
        return None
    behind = "".join(str(piece) for piece in plan.host[variable[-1] + 1 :])
    return f"{plan.scheme}://*.{behind.partition('.')[2]}"


def _scope(provider: Provider, method: AuthMethod | None, values: Mapping[str, object]) -> _Scope:
    method = method or AuthMethod()
    inputs = inputs_of(provider, method)
    known = {name: each.default for name, each in inputs.items() if each.default is not None}
    return _Scope({**known, **values}, inputs, deciders(provider, method))


def _add_protocol(uses: dict[str, set[str]], method: AuthMethod, scope: _Scope) -> None:
    token = method.oauth2.token if method.oauth2 else None
    allowed = token.allowed_hosts if token else ()
    for address in method_addresses(method):
        if address.use not in ("issuer", "resource", "registration"):
            uses.setdefault(address.use, set()).update(scope.origins(address.alternatives, allowed))
    listed_hosts = {f"https://{host.lower()}" for host in allowed}
    if token:
        uses.setdefault("token", set()).update(scope.origins(listed(token.url), allowed) | listed_hosts)
        own = {f"https://{host.lower()}" for host in method.refresh.allowed_hosts}
        own |= scope.origins(listed(method.refresh.url), method.refresh.allowed_hosts)
        uses["refresh"] = uses.get("refresh", set()) | uses["token"] | own
        uses["token"] |= uses["refresh"]


def _add_requests(uses: dict[str, set[str]], provider: Provider, method: AuthMethod, scope: _Scope) -> None:
    places = [(at[1:].replace("/", "."), request) for at, request in method_requests(method)]
    if provider.webhooks:
        places += [("webhooks" + at.replace("/", "."), each) for at, each in webhook_requests(provider.webhooks)]
    for where, request in places:
        literal = [text for text in listed(request.url) if _names_its_host(text)]
        own = {f"https://{host.lower()}" for host in request.allowed_hosts}
        if found := scope.origins(literal, ()) | own:
            uses[f"request:{where}"] = found


def _names_its_host(text: str) -> bool:
    try:
        return url_plan(text).scheme != "" and host_deciders(text, {}) <= {"document"}
    except TemplateFault:
        return False


def _up_to_path(text: str) -> str:
    """Scheme and authority of a URL template; braces and quotes hide what is inside them."""
    at = text.find("://") + 3 if text[:8].lower().startswith(("http://", "https://")) else 0
    while at < len(text) and text[at] not in "/?#":
        at = _after_expression(text, at) if text.startswith("{{", at) else at + 1
    return text[:at]


_EXPRESSION = re.compile(r"""\{\{(?:[^'"}]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\}(?!\}))*\}\}""", re.DOTALL)


def _after_expression(text: str, at: int) -> int:
    found = _EXPRESSION.match(text, at)
    return found.end() if found else len(text)
