"""Providers, templates and integrations over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

from tieline.client.call import Call, members, nothing, plain, segment, shape
from tieline.client.problems import read_faults
from tieline.client.verbs import Noun, W, verb
from tieline.errors import Fault
from tieline.integrations.types import ClientSettings, Integration
from tieline.providers.types import Provider, ProviderPage, ProviderSummary, ProviderVersion
from tieline.secret import Secret
from tieline.shapes import Page

Document = Mapping[str, object]


class Providers(Noun[W]):
    """Documents of one's own can be changed; what one may see, one can connect and extend."""

    @verb
    def list(
        self,
        *,
        search: str | None = None,
        category: str | None = None,
        auth_type: str | None = None,
        status: str | None = None,
        custom: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Call[ProviderPage]:
        """Providers by slug, without templates; every word of `search` stands in name, slug, category or text."""
        query = members(
            search=search,
            category=category,
            auth_type=auth_type,
            status=status,
            custom=custom,
            limit=limit,
            cursor=cursor,
        )
        return Call("GET", "/v1/providers", shape(ProviderPage), query=query)

    @verb
    def templates(self, *, limit: int = 50, cursor: str | None = None) -> Call[Page[ProviderSummary]]:
        """What a provider can be made from."""
        query = members(limit=limit, cursor=cursor)
        return Call("GET", "/v1/templates", shape(Page[ProviderSummary]), query=query)

    @verb
    def register(self, document: Document) -> Call[Provider]:
        """A custom provider; without an id, one is made of the name. Raises InvalidProvider with every fault."""
        return Call("POST", "/v1/providers", shape(Provider), body=plain(document))

    @verb
    def publish(self, provider: str, document: Document) -> Call[Provider]:
        """A new version; without a number, it is bumped by what changed."""
        return Call("PUT", _provider(provider), shape(Provider), body=plain(document))

    @verb
    def edit(self, provider: str, patch: Document) -> Call[Provider]:
        """A cosmetic change by JSON merge patch (RFC 7396)."""
        return Call("PATCH", _provider(provider), shape(Provider), body=plain(patch))

    @verb
    def retire(self, provider: str, *, force: bool = False) -> Call[None]:
        """Takes it out of the catalogue. Raises Conflict while connections use it, unless forced."""
        return Call("DELETE", _provider(provider), nothing, query=members(force=force or None))

    @verb
    def get(self, provider: str, *, version: str | None = None) -> Call[Provider]:
        return Call("GET", _provider(provider), shape(Provider), query=members(version=version))

    @verb
    def versions(self, provider: str) -> Call[Page[ProviderVersion]]:
        """Newest first, each with what kind of change it was."""
        return Call("GET", f"{_provider(provider)}/versions", shape(Page[ProviderVersion]))

    @verb
    def validate(self, document: Document) -> Call[tuple[Fault, ...]]:
        """Every fault and warning at once; nothing is stored."""
        return Call("POST", "/v1/providers/validate", _faults, body=plain(document))

    @verb
    def instantiate(
        self,
        template: str,
        *,
        params: Document | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002  # as the document has it
        changes: Document | None = None,
    ) -> Call[Provider]:
        """A provider made from a template; `changes` are merged over it."""
        body = members(params=params, name=name, id=id, changes=changes)
        return Call("POST", f"/v1/templates/{segment(template)}/instantiate", shape(Provider), body=body)


class Integrations(Noun[W]):
    """A customer inherits its platform's integration until it sets its own."""

    @verb
    def get(self, provider: str) -> Call[Integration]:
        """Also before anything is set, so that the redirect URI can be entered at the provider first."""
        return Call("GET", _integration(provider), shape(Integration))

    @verb
    def list(self) -> Call[Page[Integration]]:
        """Those that are set, one's own and the platform's."""
        return Call("GET", "/v1/integrations", shape(Page[Integration]))

    @verb
    def put(
        self,
        provider: str,
        *,
        client_id: str | None = None,
        client_secret: Secret | str | None = None,
        scopes: Sequence[str] | None = None,
        enabled: bool | None = None,
        admin_inputs: Mapping[str, object] | None = None,
        clients: Mapping[str, ClientSettings] | None = None,
        channel: str | None = None,
        pinned_version: str | None = None,
    ) -> Call[Integration]:
        """What is None stays as it is. `clients` is by `<method>` or `<method>/<variant>`, where one is not enough."""
        body = members(
            client_id=client_id,
            client_secret=client_secret,
            scopes=scopes,
            enabled=enabled,
            admin_inputs=admin_inputs,
            clients=clients,
            channel=channel,
            pinned_version=pinned_version,
        )
        return Call("PUT", _integration(provider), shape(Integration), body=body)

    @verb
    def delete(self, provider: str) -> Call[None]:
        """Removes one's own, with its secrets."""
        return Call("DELETE", _integration(provider), nothing)


def _provider(provider: str) -> str:
    return f"/v1/providers/{segment(provider)}"


def _integration(provider: str) -> str:
    return f"/v1/integrations/{segment(provider)}"


def _faults(_status: int, data: Any) -> tuple[Fault, ...]:
    return read_faults(data)
