"""Everything that acting as one account takes, as one value: document, registration, inputs, grant, origins. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from tieline.connections.grant import Grant, variables_in
from tieline.errors import NotConfigured
from tieline.integrations.registration import Registration
from tieline.manifest import AuthMethod, Input, Provider
from tieline.manifest.inputs import derived, inputs_of
from tieline.manifest.origins import Origins, OriginSet, origin_of, origins_of
from tieline.manifest.places import listed
from tieline.manifest.templates import Missing, Unrenderable, render_url
from tieline.manifest.trust import is_secret
from tieline.protocols.oauth2 import requested
from tieline.runner import Setting
from tieline.secret import Secret

_TYPED = frozenset({"user", "admin", "adminOrUser"})
_GUESSABLE = 8
_USERS_CLIENT = {
    "clientId": Input.model_validate({"label": "Client ID", "order": -2}),
    "clientSecret": Input.model_validate({"label": "Client secret", "secret": True, "order": -1}),
}


@dataclass(frozen=True)
class Access:
    """`inputs` are the user's plain ones; secret ones stand in the grant. `origins` is the stored consent, if any."""

    manifest: Provider
    method_name: str
    registration: Registration
    variant: str | None = None
    inputs: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    grant: Grant = field(default_factory=Grant)
    origins: Origins | None = None
    connection_id: str = ""
    end_user: str = ""

    @property
    def method(self) -> AuthMethod:
        return self.manifest.auth[self.method_name]

    @cached_property
    def declared(self) -> dict[str, Input]:
        """The inputs of the method; with them the client, where the user brings one."""
        declared = inputs_of(self.manifest, self.method)
        return {**_USERS_CLIENT, **declared} if self.users_client else declared

    @property
    def users_client(self) -> bool:
        """Whether the client id and secret are the user's own."""
        oauth2 = self.method.oauth2
        if oauth2 is None:
            return False
        return oauth2.client_from == "user" or (oauth2.client_from == "either" and not self.registration.client_id)

    def values(self) -> dict[str, object]:
        """The variables that a template may read wherever it is rendered for, the account's secrets in the clear: never
        to be logged or stored. What an admin entrusted to certain hosts is not among them."""
        return dict(self._values)

    def values_to(self, to: OriginSet) -> dict[str, object]:
        """As `values`, for a call that goes nowhere else. The admin's secrets are among them where all of these hosts
        were in sight when they were entered: a later version of the document does not take them elsewhere."""
        used = self.registration
        secret = used.client_secret if _is_within(to, used.origins) else None
        nothing: Mapping[str, object] = {}
        inputs = used.secret_inputs if _is_within(to, used.input_origins) else nothing
        return self._composed(secret, inputs) if secret is not None or inputs else self.values()

    @cached_property
    def _values(self) -> Mapping[str, object]:
        return self._composed(None, {})

    def _composed(self, client_secret: Secret | None, secret_inputs: Mapping[str, object]) -> dict[str, object]:
        declared = self.declared
        known = {name: each.default for name, each in declared.items() if each.default is not None}
        nothing: Mapping[str, object] = {}
        chosen = next((each.set for each in self.manifest.variants if each.id == self.variant), nothing)
        admins = {**self.registration.inputs, **secret_inputs}
        given = {**known, **chosen, **self.grant.values, **self.inputs, **admins}
        client = self._client(client_secret)
        engine = {**self.grant.variables(), "client": client, "connection": self._connection()}
        return {**given, **derived(declared, given, engine), **engine}

    @cached_property
    def base_url(self) -> str | None:
        """The rendered api.baseUrl; None where the document has none, a variable of it is still missing, or what a
        provider said makes no address of it."""
        if self.manifest.api.base_url is None:
            return None
        try:
            return render_url(self.manifest.api.base_url, self.values(), inputs=self.declared)
        except (Missing, Unrenderable):
            return None

    def is_shown(self, text: str) -> bool:
        """Whether it may be shown to who reads no credentials: none of the account's secrets stands in it."""
        return not any(secret in text for secret in self._secrets)

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        """Not those so short that they stand in other texts by chance."""
        grant, registration, declared = self.grant, self.registration, self.declared
        inputs = {**grant.values, **registration.secret_inputs}
        texts = [str(value) for name, value in inputs.items() if name in declared and declared[name].secret]
        tokens = [token for named in grant.tokens.values() for token in named.values()]
        secrets = [grant.access_token, grant.refresh_token, grant.id_token, registration.client_secret, *tokens]
        texts += [secret.reveal() for secret in secrets if secret is not None]
        return tuple(text for text in texts if len(text) >= _GUESSABLE)

    @cached_property
    def shown_base_url(self) -> str | None:
        """The base URL as it may be shown: of one with a secret in it, scheme, host and port only."""
        base = self.base_url
        return origin_of(base) if base is not None and self.is_secret(self.manifest.api.base_url) else base

    def is_secret(self, address: str | Sequence[str] | None) -> bool:
        """Whether an address that is made of this template holds a secret."""
        return is_secret(listed(address), self.declared)

    def setting(self, use: str, **more: object) -> Setting:
        """What a Request of this account runs in; `use` names the origins it may reach, `more` adds variables."""
        to = self.reach(use)
        return Setting(
            values={**self.values_to(to), **more},
            inputs=self.declared,
            to=to,
            base_url=self.base_url,
            rules=self.method.apply,
        )

    def client_setting(self, use: str, **more: object) -> Setting:
        """As `setting`, for a call that carries the client's secret: only where its admin could see it go."""
        setting = self.setting(use, **more)
        entrusted = self.registration.origins
        if self.users_client or entrusted is None:
            return setting
        to = setting.to.within(entrusted.of_use(use))
        return replace(setting, to=to, values={**self.values_to(to), **more})

    def reach(self, use: str) -> OriginSet:
        """Where a call of this use (api, check, token, revoke, onConnect) may go: what was consented to."""
        origins = self.origins or self.computed_origins()
        also = {"check": "userinfo", "onConnect": "api"}.get(use)
        return origins.reach(use) if also is None else origins.reach(use) | origins.of_use(also)

    def kept(self) -> "Access":
        """Without the inputs that are used once, to connect, and then forgotten (`store: false`)."""
        once = {name for name, each in self.declared.items() if not each.store}
        values = {name: value for name, value in self.grant.values.items() if name not in once}
        inputs = {name: value for name, value in self.inputs.items() if name not in once}
        return replace(self, inputs=inputs, grant=replace(self.grant, values=values))

    def computed_origins(self) -> Origins:
        """From the document and the account's own values; stored when the user consents, never recomputed later."""
        return origins_of(self.manifest, self.method, self.values())

    def with_captured(self, captured: Mapping[str, object]) -> "Access":
        """A captured value never overwrites what a person typed."""
        return replace(self, grant=replace(self.grant, values={**self.grant.values, **self.untyped(captured)}))

    def untyped(self, captured: Mapping[str, object]) -> dict[str, object]:
        """The captured variables that nobody typed."""
        declared, known = self.declared, {**self.inputs, **self.registration.given, **self.grant.values}
        return {
            name: value
            for name, value in variables_in(captured).items()
            if not (name in declared and declared[name].from_ in _TYPED and name in known)
        }

    def scopes(self, asked: tuple[str, ...] | None) -> tuple[str, ...]:
        """Those of the session, else of the integration, else of the document; the required ones always."""
        catalog = self.manifest.scope_catalog
        oauth2 = self.method.oauth2
        usual = (oauth2.scopes if oauth2 else ()) + tuple(each.value for each in catalog if each.default)
        chosen = asked if asked is not None else self.registration.scopes
        required = tuple(each.value for each in catalog if each.required)
        return tuple(dict.fromkeys([*(usual if chosen is None else chosen), *required]))

    def oauth(self, scopes: tuple[str, ...], **more: object) -> dict[str, object]:
        """The variable `oauth`: scopes of named tokens stand apart from those of the main one."""
        named = {each.value: each.token for each in self.manifest.scope_catalog if each.token}
        apart: dict[str, list[str]] = {}
        for scope in scopes:
            if scope in named:
                apart.setdefault(named[scope] or "", []).append(scope)
        plain = [scope for scope in scopes if scope not in named]
        separator = self.method.oauth2.scope_separator if self.method.oauth2 else " "
        return {"scopes": plain, "scope": requested(plain, separator), "scopesFor": apart, **more}

    def _client(self, secret: Secret | None) -> dict[str, object]:
        if self.users_client:
            given = {**self.grant.values, **self.inputs}
            return {"id": given.get("clientId"), "secret": given.get("clientSecret")}
        return {"id": self.registration.client_id, "secret": None if secret is None else secret.reveal()}

    def _connection(self) -> dict[str, object]:
        return {"id": self.connection_id, "externalId": self.end_user}

    def require_client(self) -> None:
        """Raises NotConfigured when the admin's part is missing."""
        oauth2 = self.method.oauth2
        if oauth2 is None or self.users_client:
            return
        name = self.manifest.name or "this provider"
        if not self.registration.client_id:
            raise NotConfigured(f"Set a client id for {name} first: PUT /v1/integrations/{self.manifest.id}.")
        if oauth2.client_auth != "none" and self.registration.client_secret is None:
            raise NotConfigured(f"Set the client secret for {name} first: PUT /v1/integrations/{self.manifest.id}.")


def _is_within(to: OriginSet, entrusted: Origins | None) -> bool:
    return entrusted is not None and _covered(to, entrusted.all)


@lru_cache(maxsize=4096)
def _covered(to: OriginSet, by: OriginSet) -> bool:
    return set(to.patterns) <= set(to.within(by).patterns)
