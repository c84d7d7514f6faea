"""The hot path: one SELECT finds who calls, the connection, its credential and its client, all as they are now.

Nothing of it is cached but what follows from bytes that are equal. Whatever it does not find plainly (no row, several,
a client that is gone) is left to the slow path, which knows how to say why.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import ARRAY, BindParameter, ColumnElement, Select, Text, and_, bindparam, case, cast, func, or_, select
from sqlalchemy.sql.expression import FromClause

from tieline.actor import Actor
from tieline.connections.loading import Loaded, Loader
from tieline.connections.rows import Reference, newest, of_provider
from tieline.connections.tables import connections, credentials
from tieline.errors import StorageUnavailable
from tieline.integrations.registration import Registration, registration_of_rows, without_registration
from tieline.integrations.tables import clients, integrations
from tieline.organizations.api_keys import read_actor
from tieline.organizations.keys import hash_key
from tieline.organizations.tables import api_keys, organizations
from tieline.providers.tables import providers
from tieline.storage import Database
from tieline.storage.lanes import Values
from tieline.storage.prepared import Prepared, all_of, labelled

T = TypeVar("T")

_KEPT = 4096
_AT_ONCE, _LANES = 64, 2
"""Questions in one SELECT, and SELECTs on their way."""


@dataclass(frozen=True)
class Found:
    """`loaded` is None where the slow path must look. `key` is the row of the API key."""

    actor: Actor
    loaded: Loaded | None
    key: Any = None


@dataclass(frozen=True)
class _Question:
    hash: str
    slug: str
    id: str
    answer: "asyncio.Future[list[Values]]"


class Hot:
    """On PostgreSQL, callers who come while a question is on its way are answered by one next SELECT, all together."""

    def __init__(self, db: Database, loader: Loader) -> None:
        self._db = db
        self._loader = loader
        self._queries: dict[str, Prepared] = {}
        self._known: OrderedDict[Values, Any] = OrderedDict()
        self._questions: list[_Question] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def by_actor(self, actor: Actor, reference: Reference) -> Loaded | None:
        query = self._query(_of_actor_by_id if reference.id is not None else _of_actor_by_owner)
        given = {"org": actor.organization, "platform": actor.platform, **_named(reference)}
        return self._loaded(query, actor, reference, await self._db.rows(query, given))

    async def by_key(self, key: str, organization: str | None, reference: Reference) -> Found:
        """`key` has the form of one. Raises Unauthorized, and Forbidden for a foreign organization."""
        hashed, slug = hash_key(key), organization or ""
        if reference.id is not None and self._db.dialect == "postgresql":
            query = self._query(_of_keys)
            rows = await self._together(hashed, slug, reference.id)
        else:
            query = self._query(_of_key_by_id if reference.id is not None else _of_key_by_owner)
            rows = await self._db.rows(query, {"hash": hashed, "slug": slug, **_named(reference)})
        row = self._kept(query.raw(rows[0], "key"), lambda: query.read(rows[0], "key")) if rows else None
        actor = read_actor(row, organization, now=datetime.now(UTC))
        return Found(actor, self._loaded(query, actor, reference, rows), row)

    async def _together(self, hashed: str, slug: str, connection: str) -> list[Values]:
        question = _Question(hashed, slug, connection, asyncio.get_running_loop().create_future())
        self._questions.append(question)
        if len(self._asking) < _LANES:
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return await question.answer

    async def _ask(self) -> None:
        while self._questions:
            batch, self._questions = self._questions[:_AT_ONCE], self._questions[_AT_ONCE:]
            try:
                rows = await self._asked(batch)
            except StorageUnavailable as error:
                _refuse(batch, error)
            except Exception as error:
                if len(batch) == 1:
                    _refuse(batch, error)
                else:
                    # One of them is at fault, and the others must not suffer for it.
                    self._questions = batch[1:] + self._questions
                    await self._alone(batch[0])
            else:
                _answer(batch, rows)

    async def _alone(self, question: _Question) -> None:
        try:
            _answer([question], await self._asked([question]))
        except Exception as error:
            _refuse([question], error)

    async def _asked(self, batch: list[_Question]) -> Sequence[Values]:
        given = {name: [getattr(each, name) for each in batch] for name in ("hash", "slug", "id")}
        return await self._db.rows(self._query(_of_keys), given)

    def _query(self, made: Callable[[], Select[Any]]) -> Prepared:
        if made.__name__ not in self._queries:
            self._queries[made.__name__] = self._db.prepare(made())
        return self._queries[made.__name__]

    def _kept(self, raw: Values, make: Callable[[], T]) -> T:
        """What follows from these very bytes, made once."""
        if raw not in self._known:
            self._known[raw] = make()
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._known[raw]

    def _loaded(self, query: Prepared, actor: Actor, reference: Reference, rows: Sequence[Values]) -> Loaded | None:
        if len(rows) != 1:
            return None
        values = rows[0]
        row, credential = query.read(values, "connection"), query.read(values, "credential")
        if row is None or credential is None or not _is_visible(actor, row):
            return None
        if reference.account is not None and reference.account != row.account_id:
            return None
        used = self._registration(query, values, actor, row)
        manifest = self._loader.documents.kept(
            row.provider_id, row.effective_version or row.consented_version, row.variant
        )
        if used is None or manifest is None:
            return None
        return self._loader.opened(row, credential, manifest, used)

    def _registration(self, query: Prepared, values: Values, actor: Actor, row: Any) -> Registration | None:
        """Opening its seals is spared where the very bytes are known already."""
        raw = (
            *query.raw(values, "integration"),
            *query.raw(values, "client"),
            *(actor.organization, actor.platform, row.provider_id, row.auth_method, row.variant, row.client_row_id),
        )
        return self._kept(raw, lambda: self._read_registration(query, values, actor, row))

    def _read_registration(self, query: Prepared, values: Values, actor: Actor, row: Any) -> Registration | None:
        integration, client = query.read(values, "integration"), query.read(values, "client")
        if client is not None:
            return registration_of_rows(self._loader.vault, actor, row.provider_id, integration, client)
        # With an integration, there may be a client in it that serves this method.
        gone = row.client_row_id is not None or integration is not None
        return None if gone else without_registration(actor, row.provider_id)


def _answer(batch: list[_Question], rows: Sequence[Values]) -> None:
    """The first column says whose a row is."""
    found: dict[int, list[Values]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    for number, question in enumerate(batch, start=1):
        if not question.answer.done():
            question.answer.set_result(found.get(number, []))


def _refuse(batch: list[_Question], error: Exception) -> None:
    for question in batch:
        if not question.answer.done():
            question.answer.set_exception(copy(error))


def _of_actor_by_id() -> Select[Any]:
    return _of_actor(_by_id(_text("id"), _text("org")))


def _of_actor_by_owner() -> Select[Any]:
    return _of_actor(_by_owner(_text("org")))


def _of_actor(wanted: ColumnElement[bool]) -> Select[Any]:
    found = connections.join(providers, providers.c.id == connections.c.provider_id)
    return select(*_PARTS).select_from(_with_client(found, _text("org"), _text("platform"))).where(wanted)


def _of_key_by_id() -> Select[Any]:
    key, beneath = _of_key(api_keys, _text("slug"), lambda org: _by_id(_text("id"), org))
    return select(*key, *_PARTS).select_from(beneath).where(api_keys.c.hash == _text("hash"))


def _of_key_by_owner() -> Select[Any]:
    key, beneath = _of_key(api_keys, _text("slug"), _by_owner)
    return select(*key, *_PARTS).select_from(beneath).where(api_keys.c.hash == _text("hash"))


def _of_keys() -> Select[Any]:
    """As `_of_key_by_id`, for several at once; the first column counts them from 1."""
    lists = [cast(bindparam(name, type_=ARRAY(Text())), ARRAY(Text())) for name in ("hash", "slug", "id")]
    asked = func.unnest(*lists).table_valued("hash", "slug", "id", with_ordinality="n", joins_implicitly=True)
    asked = asked.render_derived(name="asked")
    start = asked.join(api_keys, api_keys.c.hash == asked.c.hash)
    key, beneath = _of_key(start, asked.c.slug, lambda org: _by_id(asked.c.id, org))
    return select(asked.c.n.label("question.n"), *key, *_PARTS).select_from(beneath)


def _of_key(
    start: FromClause, slug: ColumnElement[str], wanted: Callable[[ColumnElement[str]], ColumnElement[bool]]
) -> tuple[list[ColumnElement[Any]], FromClause]:
    """The key with the organization it enters, as organizations.api_keys looks it up, and the connection in that."""
    own, target, entered = (organizations.alias(name) for name in ("own", "target", "entered"))
    enters = (target.c.slug == slug) & or_(target.c.id == own.c.id, target.c.parent_id == own.c.id)
    found = (
        start.join(own, own.c.id == api_keys.c.org)
        .outerjoin(target, enters)
        .outerjoin(entered, entered.c.id == case((slug == "", own.c.id), else_=target.c.id))
        .outerjoin(connections, wanted(entered.c.id))
        .outerjoin(providers, providers.c.id == connections.c.provider_id)
    )
    key = [
        *labelled("key", *(api_keys.c[name] for name in _KEY)),
        own.c.parent_id.label("key.own_parent"),
        target.c.id.label("key.target_id"),
        target.c.parent_id.label("key.target_parent"),
    ]
    platform = case((entered.c.parent_id == "", entered.c.id), else_=entered.c.parent_id)
    return key, _with_client(found, entered.c.id, platform)


_KEY = ("id", "org", "scopes", "restrictions", "expires_at", "last_used_at", "revoked_at")
_CLIENT = ("id", "org", "integration_id", "variant", "client_id", "origins", "sealed")
_INTEGRATION = (*("id", "org", "provider_id", "enabled", "scopes", "pinned_version", "inputs", "origins", "sealed"),)
_COLUMNS = (
    *("id", "org", "provider_id", "end_user", "account_id", "consented_version", "auth_method", "variant"),
    *("client_row_id", "identity", "inputs", "origins", "scopes", "state", "error_code"),
    *("suspended_at", "last_used_at"),
)
"""What acting as a connection takes; lists and pages read more."""
_PARTS: list[ColumnElement[Any]] = [
    *labelled("connection", *(connections.c[name] for name in _COLUMNS)),
    providers.c.slug.label("connection.provider"),
    newest("version", consented=True).label("connection.effective_version"),
    *all_of("credential", credentials),
    *labelled("client", *(clients.c[name] for name in _CLIENT)),
    *labelled("integration", *(integrations.c[name] for name in _INTEGRATION)),
]


def _by_id(identifier: ColumnElement[str], org: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(connections.c.id == identifier, connections.c.org == org)


def _by_owner(org: ColumnElement[str]) -> ColumnElement[bool]:
    slug = select(providers.c.id).where(of_provider(_text("provider")))
    return and_(
        connections.c.org == org, connections.c.end_user == _text("end_user"), connections.c.provider_id.in_(slug)
    )


def _with_client(found: FromClause, org: ColumnElement[str], platform: ColumnElement[str]) -> FromClause:
    """The client that the connection was made with; without one, the registration that is its organization's now."""
    own, inherited = integrations.alias("own_integration"), integrations.alias("inherited")
    provider_id = connections.c.provider_id
    used = func.coalesce(clients.c.integration_id, own.c.id, inherited.c.id)
    return (
        found.outerjoin(credentials, credentials.c.connection_id == connections.c.id)
        .outerjoin(clients, and_(clients.c.id == connections.c.client_row_id, clients.c.org.in_([org, platform])))
        .outerjoin(own, and_(own.c.provider_id == provider_id, own.c.org == org))
        .outerjoin(inherited, and_(inherited.c.provider_id == provider_id, inherited.c.org == platform))
        .outerjoin(integrations, integrations.c.id == used)
    )


def _named(reference: Reference) -> dict[str, str]:
    if reference.id is not None:
        return {"id": reference.id}
    return {"end_user": reference.end_user or "", "provider": reference.provider or ""}


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text())


def _is_visible(actor: Actor, row: Any) -> bool:
    """As rows.visible asks it of the database."""
    narrowed = actor.restriction
    return (
        row.org == actor.organization
        and narrowed.connection in (None, row.id)
        and narrowed.end_user in (None, row.end_user)
        and narrowed.provider in (None, row.provider, row.provider.partition("~")[0])
    )
