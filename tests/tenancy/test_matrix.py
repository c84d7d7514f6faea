"""Every operation, by every kind of caller, on everybody's rows: what is foreign is not there, and stays as it is."""

import re
from collections import Counter
from dataclasses import replace
from functools import reduce

import pytest
from sqlalchemy import Engine, event, select

from tieline.api import app
from tieline.storage.metadata import metadata

from .table import NO_KEY, TABLE, address
from .town import COMMON_CLIENT, ONE_CLIENT, READ, SHARED, Caller, marker

pytestmark = pytest.mark.anyio

NARROWABLE = {"providers:read", "connect", "connections:read", "connections:write", "proxy", "credentials:read"}
MOVING = ("audit_events", "audit_heads", "audit_keys", "jobs", "changes")
KINDS = ("provider", "integration", "connection", "session", "key", "organization")


def operations(hub):
    for path, methods in app(hub).openapi()["paths"].items():
        yield from (f"{method.upper()} {path}" for method in methods)


def strangers(town):
    """Callers to whom acme's things are foreign, with what of them is theirs to see."""
    keys = {slug: town.keys[f"owner-{slug}"] for slug in town.targets}
    return {
        Caller("its sibling", keys["globex"]): set(),
        Caller("the platform for its sibling", keys["default"], "globex"): set(),
        Caller("the platform", keys["default"]): {"session", "nonce", "owner"},
        Caller("another platform", keys["rival"]): set(),
        Caller("another platform for it", keys["rival"], "acme"): set(),
        Caller("another platform's customer", keys["umbrella"]): set(),
        Caller("its sibling for it", keys["globex"], "acme"): set(),
    }


async def nobodies(town):
    await town.key("acme", "expired")
    await town.expire("expired")
    revoked = await town.key("acme", "revoked")
    await town.hub.api_keys.revoke(town.tenants.acme, town.targets["acme"].key)
    good = town.keys["owner-acme"]
    return [
        Caller("nobody"),
        Caller("garbage", "tl_garbage"),
        Caller("a key that was never made", good[:-8] + good[-7:-6] + good[-8:-7] + good[-6:]),
        Caller("an expired key", town.keys["expired"]),
        Caller("a revoked key", revoked),
        Caller("a token of something else", "tlc_" + "x" * 43),
    ]


async def send(town, caller, operation, target, query=""):
    method, path = address(operation, target)
    body = TABLE[operation].body
    given = {} if body is None else {"json": body(target)}
    if operation.endswith(" /proxy/{path}"):
        caller = replace(caller, organization=None)
    return await town.ask(caller, method, path + query, **given)


def told(response, *named):
    """An answer, without what the request named."""
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return response.status_code, headers, reduce(lambda text, name: text.replace(name, "X"), named, response.text)


async def contents(town):
    """Every row that a caller may care about; the audit and our own bookkeeping go on meanwhile."""
    kept = [each for each in metadata.sorted_tables if each.name not in MOVING]

    def read(connection):
        rows = {}
        for table in kept:
            columns = [each for each in table.c if each.name != "last_used_at"]
            rows[table.name] = sorted(map(repr, connection.execute(select(*columns))))
        return rows

    return await town.hub.db.read(read)


@pytest.fixture
def statements():
    """How many of them, but those of what runs in the background."""
    seen = Counter()

    def noting(connection, cursor, statement, parameters, context, executemany):
        if not re.search(rf"\b({'|'.join(MOVING)})\b", statement):
            seen["all"] += 1

    event.listen(Engine, "before_cursor_execute", noting)
    yield seen
    event.remove(Engine, "before_cursor_execute", noting)


async def test_every_operation_stands_in_the_table(town):
    assert sorted(operations(town.hub)) == sorted(TABLE)


async def test_what_is_foreign_is_answered_as_what_never_was_with_the_same_work_and_stays_as_it_was(town, statements):
    theirs = town.targets["acme"]
    theirs = replace(theirs, nonce=await town.nonce("acme", theirs.provider, theirs.end_user))
    callers, faults = strangers(town), []
    for caller in callers:
        await send(town, caller, "GET /v1/organizations", theirs)
    before = await contents(town)

    for operation, row in TABLE.items():
        for caller, seen in callers.items():
            for name in set(row.names) - seen - made_here(operation, caller):
                faults += await compared(town, caller, operation, theirs, name, statements)
        after = await contents(town)
        faults += [(operation, "changes", table) for table in before if before[table] != after[table]]
        before = after

    assert faults == []


def made_here(operation, caller):
    """A platform that names a customer as another one does makes its own."""
    return {"owner"} if operation == "PUT /v1/organizations/{slug}" and caller.organization is None else set()


async def compared(town, caller, operation, foreign, name, statements):
    """What tells one foreign id from one that never was; all other ids are the caller's own."""
    mine = {each: getattr(home(town, caller), each) for each in TABLE[operation].names if each != name}
    pair = [replace(each, **mine) for each in (foreign, foreign.unknown())]
    faults = []
    for _ in range(5):
        answers, work = [], []
        for target in pair:
            statements.clear()
            answer = await send(town, caller, operation, target)
            answers.append(told(answer, getattr(target, name), caller.organization or name))
            work.append(statements["all"])
        if answers[0] != answers[1] or not refused(operation, answers[0][0]):
            return [(operation, caller.name, name, *answers)]
        # What runs in the background may have been counted once.
        faults = [] if work[0] == work[1] else [(operation, caller.name, name, "work", *work)]
        if not faults:
            break
    return faults


def refused(operation, status):
    return status in (403, 404, 410, 422) or operation == "POST /v1/providers/validate"


def home(town, caller):
    """What the caller has itself."""
    owners = {key: name.removeprefix("owner-") for name, key in town.keys.items() if name.startswith("owner-")}
    return town.targets["globex" if caller.organization == "globex" else owners.get(caller.key, "acme")]


async def test_a_restricted_key_finds_no_more_than_it_is_restricted_to(town, statements):
    """Its own organization's other rows are foreign to it."""
    callers, other = await restricted(town, town.targets["acme"]), await town.fresh("acme")
    other = replace(other, connection=await town.connection("acme", "crm", "bo"), end_user="bo", provider="crm")
    session = await town.session("acme", "crm", "bo")
    other = replace(other, session=session.session.id, nonce=await town.nonce("acme", "crm", "bo"))
    faults, before = [], await contents(town)

    for operation, row in TABLE.items():
        for kind, caller in callers.items():
            foreign = {"connection", "session"} | ({"provider"} if kind == "provider" else set())
            if operation in ("POST /v1/connect/sessions", "POST /v1/connections"):
                foreign = {"connection"}
            for name in foreign & set(row.names):
                faults += await compared(town, caller, operation, other, name, statements)

    after = await contents(town)
    assert faults == []
    assert {table for table in before if before[table] != after[table]} == set()


async def test_a_key_bound_to_a_foreign_connection_is_bound_to_nothing(town):
    theirs = town.targets["acme"]
    bound = Caller("foreign", await town.key("globex", "bound", connection=theirs.connection))
    never = Caller("never", await town.key("globex", "never", connection=theirs.unknown().connection))
    by_owner = {"end_user": theirs.end_user, "provider": theirs.provider}
    named = Caller("named", await town.key("globex", "named", **by_owner))
    faults, before = [], await contents(town)

    for operation, row in TABLE.items():
        if row.names != ("connection",) and not operation.startswith(BY_KEY):
            continue
        one = told(await send(town, bound, operation, theirs), theirs.connection)
        other = told(await send(town, never, operation, theirs.unknown()), theirs.unknown().connection)
        third = await send(town, named, operation, theirs)
        faults += [] if one == other and one[0] == 404 else [(operation, one, other)]
        faults += [] if third.status_code == 404 else [(operation, third.text)]

    assert faults == []
    assert await contents(town) == before


async def test_without_a_good_key_nothing_is_answered(town):
    callers, faults = await nobodies(town), []
    theirs = town.targets["acme"]
    before = await contents(town)

    for operation, row in TABLE.items():
        for caller in callers:
            answer = await send(town, caller, operation, theirs)
            expected = row.good if row.needs is NO_KEY else 401
            faults += [] if answer.status_code == expected else [(operation, caller.name, answer.status_code)]
            if expected == 401 and not operation.startswith("HEAD"):
                faults += [] if answer.json()["code"] == "unauthorized" else [(operation, caller.name, answer.text)]

    assert faults == []
    assert await contents(town) == before


async def test_each_kind_of_key_may_do_what_its_scopes_and_restrictions_say(town):
    mine, callers, faults = None, {}, []

    for operation, row in TABLE.items():
        for kind in ("owner", "platform", "read-only", "user", "provider", "connection"):
            if row.needs is NO_KEY or (kind not in ("owner", "read-only") and operation.startswith(RARE)):
                continue
            if mine is None or is_spent(operation):
                mine = await town.fresh("acme")
                callers = await may(town, mine)
            if "nonce" in row.names:
                mine = replace(mine, nonce=await town.nonce("acme", mine.provider, mine.end_user))
            caller = callers["connection" if operation.startswith(BY_KEY) else kind]
            answer = await send(town, caller, operation, mine)
            if answer.status_code != expected_of(operation, row, kind):
                faults.append((operation, kind, answer.status_code, answer.text))
        mine = None if is_spent(operation) else mine

    assert faults == []


def is_spent(operation):
    """Whether what it was done to can be used again."""
    return (operation.startswith("DELETE ") and "/proxy/" not in operation) or operation.endswith("/suspend")


async def may(town, mine):
    """Everybody of acme who may do something with these."""
    return {
        "owner": Caller("owner", town.keys["owner-acme"]),
        "platform": Caller("platform", town.keys["owner-default"], "acme"),
        "read-only": Caller("read-only", await town.key("acme", "read-only", scopes=READ)),
        **await restricted(town, mine),
    }


RARE = tuple(
    f"{method} {place}/proxy/"
    for method in ("PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
    for place in ("", "/v1/connections/{connection}", "/v1/end-users/{endUser}/connections/{provider}")
)
"""Methods of the proxy that are one route with GET and POST."""
BY_KEY = tuple(f"{method} /proxy/" for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))


def expected_of(operation, row, kind):
    if operation.startswith(BY_KEY):
        return row.good
    if kind == "read-only":
        return row.good if row.needs in READ else 403
    if kind in ("user", "provider", "connection"):
        return row.restricted.get(kind, row.good) if row.needs in NARROWABLE else 403
    return row.good


async def restricted(town, to):
    """Keys of acme that are narrowed to these, each in one way, with every scope."""
    narrowed = {"user": {"end_user": to.end_user}, "provider": {"provider": to.provider}}
    narrowed["connection"] = {"connection": to.connection}
    kept = town.targets["acme"]
    made = {kind: Caller(kind, await town.key("acme", kind, **way)) for kind, way in narrowed.items()}
    town.targets["acme"] = kept
    return made


async def test_lists_and_answers_hold_nothing_of_anybody_else(town):
    """Also where a query names what is foreign, or goes on from it."""
    faults = []
    # Sealed events are read in another way than those that wait.
    await town.hub.audit.seal()
    others = [town.targets[slug] for slug in ("globex", "rival", "hooli")]
    for slug in ("acme", "default", "umbrella"):
        caller, visible = Caller(slug, town.keys[f"owner-{slug}"]), visible_to(town, slug)
        for operation, row in TABLE.items():
            if not operation.startswith("GET") or row.names or operation.startswith(BY_KEY) or row.needs is NO_KEY:
                continue
            for theirs in others:
                for query in ("", *row.queries):
                    query = "?" + query.format(**vars(theirs)) if query else ""
                    text = (await send(town, caller, operation, theirs, query)).text
                    faults += [(operation + query, slug, each) for each in markers(town) - visible if each in text]

    assert faults == []


def markers(town):
    """Words of tenants, and their own ids, which stand in the audit."""
    return {marker(slug, kind) for slug in town.targets for kind in KINDS} | {
        town.actor(slug).organization for slug in town.targets
    }


def visible_to(town, slug):
    """One's own; a customer inherits its platform's providers, and a platform sees its customers by name."""
    own = {marker(slug, kind) for kind in KINDS} | {town.actor(slug).organization}
    customers = {"default": ("acme", "globex"), "rival": ("umbrella", "hooli")}
    for platform, names in customers.items():
        if slug in names:
            own |= {marker(platform, "provider"), marker(platform, "integration")}
        if slug == platform:
            own |= {marker(each, "organization") for each in names} | {town.actor(each).organization for each in names}
    return own


async def test_the_same_names_are_everybodys_own(town):
    """`ada` at `crm` is another connection in each organization, and so is everybody's account at what all may see."""
    seen = {}
    for slug in town.targets:
        caller = Caller(slug, town.keys[f"owner-{slug}"])
        for provider in ("crm", SHARED):
            one = (await town.ask(caller, "GET", f"/v1/end-users/ada/connections/{provider}")).json()
            seen[slug, provider] = one["id"], one["label"]
        crm = (await town.ask(caller, "GET", "/v1/providers/crm")).json()
        assert crm["name"] == marker(slug, "provider")

    assert len({connection for connection, _ in seen.values()}) == len(seen) == 12
    assert all(label == marker(slug, "connection") for (slug, _), (_, label) in seen.items())


async def test_a_platform_that_names_a_customer_as_another_does_makes_its_own(town):
    caller = Caller("rival", town.keys["owner-rival"])
    before = (await town.ask(Caller("acme", town.keys["owner-acme"]), "GET", "/v1/organizations/acme")).json()

    made = (await town.ask(caller, "PUT", "/v1/organizations/acme", json={"name": "Theirs"})).json()
    entered = await town.ask(replace(caller, organization="acme"), "GET", "/v1/connections")

    assert made["id"] != before["id"]
    assert entered.json()["items"] == []
    assert (await town.ask(Caller("acme", town.keys["owner-acme"]), "GET", "/v1/organizations/acme")).json() == before


async def test_a_restricted_key_lists_what_it_is_restricted_to(town):
    mine = await town.fresh("acme")
    callers = await restricted(town, mine)

    async def listed(kind, path):
        return (await town.ask(callers[kind], "GET", f"{path}?limit=200")).json()["items"]

    assert {each["endUser"] for each in await listed("user", "/v1/connections")} == {mine.end_user}
    assert {each["provider"] for each in await listed("provider", "/v1/connections")} == {mine.provider}
    assert [each["id"] for each in await listed("connection", "/v1/connections")] == [mine.connection]
    assert [each["id"] for each in await listed("provider", "/v1/providers")] == [mine.provider]


async def test_of_a_name_that_several_have_a_list_shows_the_nearest_alone(town):
    for slug in town.targets:
        caller = Caller(slug, town.keys[f"owner-{slug}"])
        items = (await town.ask(caller, "GET", "/v1/providers?limit=200")).json()["items"]

        names = {each["id"]: each["name"] for each in items}
        assert len(names) == len(items)
        assert names["crm"] == marker(slug, "provider")


async def test_a_client_at_what_all_may_see_is_ones_own_or_ones_platforms(town):
    used = {
        "default": "default",
        "rival": "rival",
        "acme": "acme",
        "hooli": "hooli",
        "globex": "default",
        "umbrella": "rival",
    }
    before = await contents(town)
    for slug, whose in used.items():
        caller = Caller(slug, town.keys[f"owner-{slug}"])
        one = (await town.ask(caller, "GET", f"/v1/integrations/{COMMON_CLIENT}")).json()
        listed = (await town.ask(caller, "GET", "/v1/integrations")).json()["items"]

        assert (one["clientId"], one["source"]) == (
            marker(whose, "integration"),
            "own" if slug == whose else "platform",
        )
        assert (ONE_CLIENT in {each["provider"] for each in listed}) == (slug == "acme")
        if slug != "acme":
            gone = await town.ask(caller, "DELETE", f"/v1/integrations/{ONE_CLIENT}")
            assert gone.status_code == 404
    assert await contents(town) == before
