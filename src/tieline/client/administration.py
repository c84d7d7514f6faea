"""Organizations, API keys and the audit over HTTP."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from tieline.audit.types import AuditEvent, Verification
from tieline.client.call import Call, members, nothing, segment, shape
from tieline.client.verbs import Noun, W, lines, verb
from tieline.organizations.types import ApiKey, NewApiKey, Organization, Restrictions
from tieline.secret import Secret
from tieline.shapes import Page


class Organizations(Noun[W]):
    """`put` is get-or-create: a platform names its customers as it meets them."""

    @verb
    def put(
        self,
        slug: str,
        *,
        name: str | None = None,
        return_urls: Sequence[str] | None = None,
        embed_origins: Sequence[str] | None = None,
    ) -> Call[Organization]:
        body = members(name=name, return_urls=return_urls, embed_origins=embed_origins)
        return Call("PUT", f"/v1/organizations/{segment(slug)}", shape(Organization), body=body)

    @verb
    def get(self, slug: str) -> Call[Organization]:
        return Call("GET", f"/v1/organizations/{segment(slug)}", shape(Organization))

    @verb
    def list(self, *, limit: int = 50, cursor: str | None = None) -> Call[Page[Organization]]:
        """The organization itself and its customers, oldest first."""
        return Call("GET", "/v1/organizations", shape(Page[Organization]), query=members(limit=limit, cursor=cursor))


class ApiKeys(Noun[W]):
    """A key may do no more than the one that makes it."""

    @verb
    def create(
        self,
        name: str,
        *,
        scopes: Collection[str] | None = None,
        restrictions: Restrictions | None = None,
        expires_at: datetime | None = None,
    ) -> Call[NewApiKey]:
        """The one time that the key is shown. Unless asked it may not read credentials."""
        body = members(name=name, scopes=scopes, restrictions=restrictions, expires_at=expires_at)
        return Call("POST", "/v1/api-keys", _new_key, body=body)

    @verb
    def list(self, *, limit: int = 50, cursor: str | None = None) -> Call[Page[ApiKey]]:
        """The keys of the organization, newest first, revoked ones too."""
        return Call("GET", "/v1/api-keys", shape(Page[ApiKey]), query=members(limit=limit, cursor=cursor))

    @verb
    def revoke(self, key: str) -> Call[ApiKey]:
        """From the next request on, the key is refused."""
        return Call("DELETE", f"/v1/api-keys/{segment(key)}", shape(ApiKey))


class Audit(Noun[W]):
    """The events of the organization."""

    @verb
    def list(
        self,
        *,
        target: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Call[Page[AuditEvent]]:
        """Newest first."""
        query = members(target=target, action=action, since=since, limit=limit, cursor=cursor)
        return Call("GET", "/v1/audit", shape(Page[AuditEvent]), query=query)

    @verb
    def verify(self, *, noted: str | None = None) -> Call[Verification]:
        """Walks the whole chain, which must still have the place that was `noted`: `12:9f86...`."""
        return Call("GET", "/v1/audit/verify", shape(Verification), query=members(noted=noted), wait=240.0)

    @lines
    def export(self) -> Call[None]:
        """JSON lines, which `tieline.audit.verify_export` verifies."""
        return Call("GET", "/v1/audit/export", nothing)


def _new_key(status: int, data: Any) -> NewApiKey:
    return NewApiKey(shape(ApiKey)(status, data), Secret(data["key"]))
