"""One schedule of a refresh, made of a seed: who asks when, what fails, who dies; and the promises it is held to."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, func, insert, select
from time_machine import Traveller

from tieline.audit.tables import audit_events
from tieline.connections.checks import Checked
from tieline.connections.freshness import token_of
from tieline.connections.grant import Grant
from tieline.connections.saving import Draft, credential_columns, save
from tieline.connections.tables import connections, credentials
from tieline.errors import ProviderUnavailable, ReconnectRequired, StorageUnavailable, TielineError
from tieline.secret import Secret

from .clockwork import VirtualLoop
from .simulated import ACTOR, ID, REFERENCE, START, Broken, Process, World

_NEVER = timedelta(0)
_SKEWS = (_NEVER, _NEVER, timedelta(minutes=10), timedelta(minutes=-10))
_ROW = {
    "id": ID,
    "org": "org_1",
    "provider_id": "prv_1",
    "end_user": "ada",
    "consented_version": "1.0.0",
    "security_digest": "",
    "auth_method": "default",
    "provider_type": "oauth2",
    "identity": {},
    "scopes": {},
    "inputs": {},
    "metadata": {},
    "binding": "app",
    "state": "ok",
    "created_at": START,
    "updated_at": START,
}


def run_schedule(seed: int, database: Connection, traveller: Traveller) -> None:
    """Raises Broken with the seed and what happened."""
    rng = Random(seed)
    loop = VirtualLoop()
    world = World(
        rng,
        rotation=rng.choice(("none", "grace", "until_used", "strict", "strict")),
        lifetime=rng.choice((40.0, 200.0)),
        database=database,
        traveller=traveller,
        token_faults=rng.choice((0.0, 0.3, 0.8)),
        write_faults=rng.choice((0.0, 0.0, 0.1)),
        pace=rng.choice((0.02, 0.4)),
    )
    try:
        loop.run_until_complete(_whole(world, loop))
        if world.broken:
            raise Broken(world.broken)
    except Exception as error:
        told = "\n".join(world.trace)
        raise Broken(f"seed {seed}, rotation {world.rotation}: {error!r}\n{told}") from error
    finally:
        loop.close()


async def _whole(world: World, loop: VirtualLoop) -> None:
    world.write(lambda connection: _begin(connection, world))
    rng = world.rng
    processes = [Process(world, rng.choice(_SKEWS)) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        rng.choice(processes).dies_at = rng.randint(1, 14)
    if rng.random() < 0.3:
        rng.choice(processes).stalls_at = rng.randint(1, 14)
    # Before it is due, while the old token lives, and around its end.
    first = world.lifetime * rng.choice((0.7, 0.9, 1.0))
    events = [(first + rng.random() * 2, _call(world, processes, rng)) for _ in range(rng.randint(1, 6))]
    events += [(first + number * 9 + rng.random() * 5, _call(world, processes, rng)) for number in range(9)]
    if rng.random() < 0.15:
        events.append((first + rng.random() * 30, _reconnect(world)))
    if rng.random() < 0.1:
        events.append((first + rng.random() * 30, _revoke(world)))
    callers = [loop.create_task(_at(moment, event)) for moment, event in events]
    try:
        await asyncio.wait(callers, timeout=first + 300)
        await _settled(world, callers)
    finally:
        frozen = asyncio.all_tasks() - {asyncio.current_task()}
        for task in frozen:
            task.cancel()
        await asyncio.gather(*frozen, return_exceptions=True)


def _begin(connection: Connection, world: World) -> None:
    for table in (credentials, connections, audit_events):
        connection.execute(table.delete())
    access = world.loader.access(_granted(world))
    origins = world.loader.origins.text
    connection.execute(insert(connections).values(**_ROW, origins=origins))
    columns = credential_columns(access, access.grant.dump())
    connection.execute(insert(credentials).values(connection_id=ID, version=1, **columns))


def _granted(world: World) -> Grant:
    """The user says yes once more."""
    answer = world.ledger.issue(world.ledger.open_grant("ada", ("profile",)))
    now = world.now()
    return Grant(
        access_token=Secret(str(answer["access_token"])),
        refresh_token=Secret(str(answer["refresh_token"])),
        scopes=("profile",),
        issued_at=now,
        expires_at=now + timedelta(seconds=world.lifetime),
    )


async def _at(seconds: float, event: Coroutine[Any, Any, None]) -> None:
    await asyncio.sleep(seconds)
    await event


async def _call(world: World, processes: list[Process], rng: Random) -> None:
    """A caller that gets a token, and uses it. Nobody gets an error while the old token lives."""
    number = rng.randrange(len(processes))
    if processes[number].dead:
        world.note(f"process {number} is started again")
        processes[number] = Process(world, processes[number].skew)
    process = processes[number]
    world.waiting.append(process)
    before, refused = token_of(world.loaded()), None
    try:
        token = token_of(await process.credentials.current(ACTOR, REFERENCE))
        if world.ledger.use(token or "") is None:
            refused = token
            token = token_of(await process.credentials.current(ACTOR, REFERENCE, stale=token))
            world.ledger.use(token or "")
    except TielineError as error:
        world.note(f"a caller of process {number} got {error.code}: {error.detail}")
        # Whose clock is wrong learns the time with its first claim.
        ignorant = process.skew > _NEVER and isinstance(error, StorageUnavailable)
        if before != refused and world.is_alive(before) and not ignorant:
            world.fail(f"a caller got {error.code} while the old token lived")
    world.waiting.remove(process)


async def _reconnect(world: World) -> None:
    """The user connects again, whatever goes on: through the same code as a connect session."""
    access = replace(world.loader.access(_granted(world)), origins=None)
    provider = SimpleNamespace(id="prv_1", slug="practice")
    version = SimpleNamespace(version="1.0.0", security_digest="d")
    draft = Draft(provider, version, "ada", access, Checked(), connection_id=ID)
    world.note("the user connects again")
    world.revoked, world.reconnected = False, True
    world.write(lambda connection: save(connection, world.loader.vault, ACTOR, draft))


async def _revoke(world: World) -> None:
    """The user takes the permission back at the provider."""
    world.note("the user revokes the grant")
    world.revoked = True
    world.ledger.forget()


async def _settled(world: World, callers: list[asyncio.Task[None]]) -> None:
    """When all trouble is over, everybody has an answer, nothing is stuck, and what is lost is labelled."""
    failed = [error for task in callers if task.done() and (error := task.exception())]
    if failed:
        raise failed[0]
    if not all(process.dead for process in world.waiting):
        world.fail("a caller hangs")
    world.token_faults = world.write_faults = world.down_until = 0.0
    await asyncio.sleep(61)
    fresh = Process(world, _NEVER)
    lost = await _renewed(world, fresh)
    row, credential = world.loaded().row, world.loaded().credential
    if credential.claimed_until is not None and credential.claimed_until > world.now():
        world.fail("a claim outlives its lease")
    if lost is not None:
        _check_lost(world, lost)
    else:
        found = (row.state, credential.state, credential.attempt, credential.failures)
        if found != ("ok", "ok", None, 0):
            world.fail(f"after a refresh that went well, the rows say {found}")
        if not world.is_alive(token_of(world.loaded())):
            world.fail("a token was stored that the provider does not take")
    refreshed = select(func.count()).where(audit_events.c.action == "credential.refreshed")
    if world.database.execute(refreshed).scalar_one() != world.refreshes_stored:
        world.fail("the audit does not have each refresh once")


async def _renewed(world: World, process: Process) -> ReconnectRequired | None:
    for _ in range(5):
        try:
            await process.credentials.renew(ACTOR, REFERENCE)
        except ReconnectRequired as lost:
            return lost
        except ProviderUnavailable as problem:
            if problem.retry_after is None or "takes long" in problem.detail:
                world.fail(f"stuck: {problem.detail}")
            await asyncio.sleep(problem.retry_after + 0.1)
        else:
            return None
    return world.fail("the refresh does not recover")


def _check_lost(world: World, lost: ReconnectRequired) -> None:
    """Only by strict rotation, after a crash or a lost answer; then it is labelled, and says how to go on."""
    row, state = world.loaded().row, world.loaded().credential.state
    world.note(f"lost: {row.error_code}")
    if lost.facts["next"]["connection"] != ID:
        world.fail("a lost grant does not say how to go on")
    if world.revoked:
        return
    if world.rotation != "strict" or not world.lossy:
        world.fail(f"a grant was lost without need ({row.error_code})")
    if (state, row.error_code) != ("refresh_unknown", "refresh-unknown"):
        world.fail(f"a loss is labelled {state}, {row.error_code}")
