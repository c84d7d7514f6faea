"""The front door of the client: every noun, of the key's own organization or of a customer of it."""

from dataclasses import replace
from types import TracebackType
from typing import Generic, Self

import httpx2

from tieline.client.administration import ApiKeys, Audit, Organizations
from tieline.client.connections import Connect, Connections
from tieline.client.providers import Integrations, Providers
from tieline.client.through import through, through_async
from tieline.client.verbs import W
from tieline.client.wire import AsyncWire, Target, Wire
from tieline.connections.types import Reference
from tieline.secret import Secret

TIMEOUT = 60.0
"""Seconds: an exchange or a check waits for a provider that may be slow."""


class Nouns(Generic[W]):
    """What `hub.organization(slug)` has."""

    def __init__(self, wire: W) -> None:
        self._wire = wire
        self.organizations = Organizations(wire)
        self.api_keys = ApiKeys(wire)
        self.providers = Providers(wire)
        self.integrations = Integrations(wire)
        self.connect = Connect(wire)
        self.connections = Connections(wire)
        self.audit = Audit(wire)


class Organization(Nouns[Wire]):
    """The nouns of one organization."""

    def http(
        self,
        connection: str | None = None,
        *,
        end_user: str | None = None,
        provider: str | None = None,
        account: str | None = None,
    ) -> httpx2.Client:
        """An authorised httpx2 client, by connection id or by whose it is.

        Paths go under the provider's base URL; a whole address must be inside the connection's origins. Tieline's own
        failures are raised (RateLimited, ReconnectRequired, ...); what the provider answers is a response.
        """
        return through(self._wire, Reference(connection, end_user, provider, account))


class AsyncOrganization(Nouns[AsyncWire]):
    """The nouns of one organization, awaited."""

    def http(
        self,
        connection: str | None = None,
        *,
        end_user: str | None = None,
        provider: str | None = None,
        account: str | None = None,
    ) -> httpx2.AsyncClient:
        """As `Organization.http`."""
        return through_async(self._wire, Reference(connection, end_user, provider, account))


class Client(Organization):
    """`Client(url, key)` acts for the key's own organization, `.organization(slug)` for a customer of it.

    `timeout` in seconds. Errors are those of `tieline.errors`; httpx2.TransportError when the server cannot be reached.
    """

    def __init__(
        self, url: str, key: Secret | str, *, timeout: float = TIMEOUT, transport: httpx2.BaseTransport | None = None
    ) -> None:
        super().__init__(Wire(_target(url, key, timeout), httpx2.Client(transport=transport)))

    def organization(self, slug: str | None) -> Organization:
        """A customer, made on first use if it is new and the key may do so; None is the key's own organization."""
        return Organization(Wire(replace(self._wire.target, organization=slug), self._wire.http))

    def close(self) -> None:
        self._wire.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(AsyncOrganization):
    """As `Client`, awaited."""

    def __init__(
        self,
        url: str,
        key: Secret | str,
        *,
        timeout: float = TIMEOUT,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(AsyncWire(_target(url, key, timeout), httpx2.AsyncClient(transport=transport)))

    def organization(self, slug: str | None) -> AsyncOrganization:
        """A customer, made on first use if it is new and the key may do so; None is the key's own organization."""
        return AsyncOrganization(AsyncWire(replace(self._wire.target, organization=slug), self._wire.http))

    async def close(self) -> None:
        await self._wire.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _target(url: str, key: Secret | str, timeout: float) -> Target:
    return Target(url.rstrip("/"), key if isinstance(key, Secret) else Secret(key), timeout)
