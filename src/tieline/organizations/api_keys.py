"""API keys: who a caller is, by one SELECT that also enters the customer that a platform's key acts for."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select, update

from tieline import audit
from tieline.actor import DEFAULT_PERMISSIONS, PERMISSIONS, Actor, Restriction
from tieline.errors import Fault, Forbidden, InvalidRequest, NotFound, Unauthorized
from tieline.ids import new_id
from tieline.organizations.keys import hash_key, is_key, new_key
from tieline.organizations.tables import api_keys, organizations
from tieline.organizations.types import ApiKey, NewApiKey, Restrictions
from tieline.shapes import Page
from tieline.storage import Database

ORGANIZATION_HEADER = "tieline-organization"
_TOUCH_EVERY = timedelta(minutes=1)


class ApiKeys:
    """Keys are never cached: a revoked one is refused at once."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        actor: Actor,
        name: str,
        *,
        scopes: Collection[str] | None = None,
        restrictions: Restrictions | None = None,
        expires_at: datetime | None = None,
    ) -> NewApiKey:
        """A key of the actor's organization. It may do no more than the actor; unless asked it may not read
        credentials. Raises InvalidRequest, Forbidden."""
        actor.require("api-keys:write")
        wanted = frozenset(DEFAULT_PERMISSIONS & actor.permissions if scopes is None else scopes)
        _check(actor, wanted)
        _check_expiry(expires_at)
        if actor.expires_at is not None and (expires_at is None or expires_at > actor.expires_at):
            raise Forbidden("A key that expires cannot make one that outlives it. Give an earlier expiresAt.")

        def save(connection: Connection) -> NewApiKey:
            new = create(
                connection,
                actor.organization,
                name,
                scopes=wanted,
                restrictions=restrictions,
                expires_at=expires_at,
                created_by=actor.id,
            )
            audit.record(connection, actor, "apiKey.created", new.api_key.id, scopes=sorted(wanted))
            return new

        return await self._db.write(save)

    async def list(self, actor: Actor, *, limit: int = 50, cursor: str | None = None) -> Page[ApiKey]:
        """The keys of the organization, newest first, revoked ones too."""
        actor.require("api-keys:write")
        query = _query().where(api_keys.c.org == actor.organization).order_by(api_keys.c.id.desc()).limit(limit + 1)
        if cursor:
            query = query.where(api_keys.c.id < cursor)
        rows = await self._db.read(lambda connection: connection.execute(query).all())
        items = tuple(_shape(row) for row in rows[:limit])
        return Page(items=items, next_cursor=items[-1].id if len(rows) > limit else None)

    async def revoke(self, actor: Actor, key: str) -> ApiKey:
        """From the next request on, the key is refused. Raises NotFound."""
        actor.require("api-keys:write")
        mine = (api_keys.c.id == key) & (api_keys.c.org == actor.organization)

        def save(connection: Connection) -> ApiKey:
            connection.execute(
                update(api_keys).where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=datetime.now(UTC))
            )
            row = connection.execute(_query().where(mine)).first()
            if row is None:
                raise NotFound(f"There is no API key {key} here.")
            audit.record(connection, actor, "apiKey.revoked", key)
            return _shape(row)

        return await self._db.write(save)

    async def authenticate(self, headers: Mapping[str, str]) -> Actor:
        """Who sent these headers (names in lower case). Raises Unauthorized; Forbidden for a foreign organization."""
        return await self.actor_of(bearer(headers), organization=headers.get(ORGANIZATION_HEADER))

    async def actor_of(self, key: str, *, organization: str | None = None) -> Actor:
        """The actor of this key, entered into the customer named, if any. Raises Unauthorized, Forbidden."""
        require_key(key)
        row = await self._db.read(lambda connection: lookup(connection, key, organization))
        actor = read_actor(row, organization, now=datetime.now(UTC))
        await self.touch(row)
        return actor

    async def touch(self, row: Any) -> None:
        """Notes that the key of this row was used, at most once a minute."""
        now = datetime.now(UTC)
        if row is not None and (row.last_used_at is None or now - row.last_used_at > _TOUCH_EVERY):
            touch = update(api_keys).where(api_keys.c.id == row.id).values(last_used_at=now)
            await self._db.write(lambda connection: connection.execute(touch))


def bearer(headers: Mapping[str, str]) -> str:
    """The key in these headers (names in lower case). Raises Unauthorized for what has not the form of one."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorized("Send an API key: `Authorization: Bearer tl_...`.")
    key = text.strip()
    require_key(key)
    return key


def require_key(key: str) -> None:
    """Raises Unauthorized for what has not the form of a key: nobody is asked about it."""
    if not is_key(key):
        raise Unauthorized("This is not an API key of Tieline, or it was not copied whole.")


def lookup(connection: Connection, key: str, organization: str | None) -> Row[Any] | None:
    """The key's row with its organization, and beside it the one it wants to act for."""
    own = organizations.alias("own")
    target = organizations.alias("target")
    enters = (target.c.slug == (organization or "")) & or_(target.c.id == own.c.id, target.c.parent_id == own.c.id)
    query = (
        select(
            api_keys,
            own.c.parent_id.label("own_parent"),
            target.c.id.label("target_id"),
            target.c.parent_id.label("target_parent"),
        )
        .join(own, own.c.id == api_keys.c.org)
        .outerjoin(target, enters)
        .where(api_keys.c.hash == hash_key(key))
    )
    return connection.execute(query).first()


def read_actor(row: Row[Any] | None, organization: str | None, *, now: datetime) -> Actor:
    """Raises Unauthorized for a key that is unknown, revoked or over; all three look the same."""
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise Unauthorized("This API key is not valid. It may have been revoked or have expired.")
    if organization and row.target_id is None:
        raise Forbidden(
            f"There is no organization {organization} that this key may act for. "
            f"PUT /v1/organizations/{organization} makes a customer."
        )
    entered, parent = (row.target_id, row.target_parent) if organization else (row.org, row.own_parent)
    narrowed: Mapping[str, Any] = row.restrictions
    if entered != row.org and narrowed.get("endUser") is not None:
        raise Forbidden("A key of one end user acts for its own organization: elsewhere that id is somebody else's.")
    return Actor(
        kind="apiKey",
        id=row.id,
        organization=entered,
        platform=parent or entered,
        permissions=frozenset(row.scopes),
        expires_at=row.expires_at,
        restriction=Restriction(
            end_user=narrowed.get("endUser"),
            provider=narrowed.get("provider"),
            connection=narrowed.get("connection"),
            methods=frozenset(narrowed["methods"]) if narrowed.get("methods") is not None else None,
            path=narrowed.get("path"),
        ),
    )


def create(
    connection: Connection,
    organization: str,
    name: str,
    *,
    scopes: Collection[str],
    created_by: str,
    restrictions: Restrictions | None = None,
    expires_at: datetime | None = None,
) -> NewApiKey:
    """A new key; the one time that it is known in the clear."""
    key = new_key()
    identifier = new_id("key")
    connection.execute(
        insert(api_keys).values(
            id=identifier,
            hash=hash_key(key.reveal()),
            org=organization,
            name=name,
            hint=key.reveal()[-4:],
            scopes=sorted(scopes),
            restrictions=(restrictions or Restrictions()).dump(),
            created_at=datetime.now(UTC),
            created_by=created_by,
            expires_at=expires_at,
        )
    )
    row = connection.execute(_query().where(api_keys.c.id == identifier)).one()
    return NewApiKey(_shape(row), key)


def _check(actor: Actor, wanted: frozenset[str]) -> None:
    if unknown := sorted(wanted - set(PERMISSIONS)):
        hint = f"The scopes are: {', '.join(PERMISSIONS)}."
        raise InvalidRequest(
            "The key asks for scopes that do not exist.",
            errors=[Fault("/scopes", "unknown_scope", f"{name!r} is no scope.", hint) for name in unknown],
        )
    if missing := sorted(wanted - actor.permissions):
        raise Forbidden(f"A key cannot give what it does not have: {', '.join(missing)}.", scopes=missing)
    if actor.restriction != Restriction():
        raise Forbidden("A restricted key cannot make keys.")


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is None:
        return
    if expires_at.tzinfo is None or expires_at <= datetime.now(UTC):
        hint = "Give a moment in the future with its zone, as 2030-01-31T12:00:00Z."
        fault = Fault("/expiresAt", "expiry", "The key would never be valid, or nobody could tell how long.", hint)
        raise InvalidRequest("The key cannot be made like this.", errors=[fault])


def _query() -> Select[Any]:
    return select(api_keys, organizations.c.slug).join(organizations, organizations.c.id == api_keys.c.org)


def _shape(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        hint=row.hint,
        organization=row.slug,
        scopes=tuple(row.scopes),
        restrictions=Restrictions.model_validate(row.restrictions),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
