"""What `tieline doctor` looks at. Each check says how it is, and how to mend it; none changes anything."""

import asyncio
import importlib.metadata
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import text

from tieline.errors import TielineError
from tieline.hub import SEALED
from tieline.settings import Settings
from tieline.storage.database import Database
from tieline.storage.keys import fits, read_key_ring
from tieline.storage.migrate import revisions, stored_revision
from tieline.storage.rotation import counted

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DEADLINE_SECONDS = 5


@dataclass(frozen=True)
class Check:
    """`hint` says how to mend it; empty when there is nothing to mend."""

    name: str
    status: Literal["ok", "warn", "fail"]
    message: str
    hint: str = ""


async def examine(settings: Settings) -> list[Check]:
    found = [*data_folder(settings), *key_file(settings)]
    if settings.database_url or (settings.data_folder / "tieline.db").exists():
        found += await _of_database(settings)
    else:
        hint = "Run `tieline init`, or name another folder with --data."
        found.append(Check("database", "warn", f"There is none in {settings.data_folder} yet.", hint))
    return [*found, *public_url(settings), *egress(settings), *packages()]


def data_folder(settings: Settings) -> Iterator[Check]:
    folder = settings.data_folder
    if settings.database_url:
        return
    if not folder.is_dir():
        yield Check("data folder", "warn", f"{folder} is not there yet.", "Run `tieline init`.")
    elif folder.stat().st_mode & 0o077:
        yield Check("data folder", "warn", f"Others may look into {folder}.", f"chmod 700 {folder}")
    else:
        yield Check("data folder", "ok", f"{folder.resolve()}, for its owner alone")
    database = folder / "tieline.db"
    if database.exists() and database.stat().st_mode & 0o077:
        yield Check("data folder", "warn", f"Others may read {database}.", f"chmod 600 {database}")


def key_file(settings: Settings) -> Iterator[Check]:
    file = settings.key_file
    if settings.keys:
        yield Check("key ring", "ok", "from TIELINE_KEYS")
    elif not settings.is_embedded:
        yield Check("key ring", "fail", "This database needs TIELINE_KEYS.", "Set it, the same for every process.")
    elif not file.exists():
        fresh = not settings.database_url and not (settings.data_folder / "tieline.db").exists()
        hint = "Run `tieline init`." if fresh else "Put the file back from your copy, or set TIELINE_KEYS."
        yield Check("key ring", "warn" if fresh else "fail", f"The key file {file} is not there.", hint)
    elif file.stat().st_mode & 0o077:
        yield Check("key ring", "fail", f"Others may read {file}.", f"chmod 600 {file}")
    else:
        yield Check("key ring", "ok", f"{file}, for its owner alone; keep a copy elsewhere")


async def _of_database(settings: Settings) -> list[Check]:
    checks: list[Callable[[Settings, Database], Awaitable[Check]]] = [_schema, _keys_match, _clock]
    found: list[Check] = []
    try:
        db = await Database.open(settings.database)
    except TielineError as error:
        return [Check("database", "fail", error.detail, "Look at TIELINE_DATABASE_URL.")]
    try:
        for check in checks:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                found.append(await check(settings, db))
            if found[-1].status == "fail":
                break
    except (TielineError, TimeoutError) as error:
        detail = error.detail if isinstance(error, TielineError) else "It does not answer in time."
        found.append(Check("database", "fail", detail, "Is it running, reachable, and not held by another program?"))
    finally:
        await db.close()
    return found


async def _schema(_: Settings, db: Database) -> Check:
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[db.dialect]
    stored, known = await stored_revision(db), revisions()
    if stored == known[-1]:
        return Check("database", "ok", f"{kind}, schema {stored}")
    if stored and stored not in known:
        return Check(
            "database", "fail", f"{kind} has schema {stored}, newer than this Tieline.", "Install the newer one."
        )
    behind = f"{kind} has schema {stored or 'none'}, this Tieline wants {known[-1]}."
    return Check("database", "fail", behind, "Run `tieline migrate`; `tieline serve` does it, too.")


async def _keys_match(settings: Settings, db: Database) -> Check:
    if not settings.keys and not (settings.is_embedded and settings.key_file.exists()):
        return Check("keys match", "fail", "There is no key to compare.", "See the line about the key ring.")
    try:
        ring = await read_key_ring(settings, db)
        await fits(ring, db)
    except TielineError as error:
        return Check("keys match", "fail", error.detail, "Start with the ring that this database was sealed with.")
    others = [key_id for key_id in ring.keys if key_id != ring.primary]
    left = await db.read(lambda connection: counted(connection, SEALED, others))
    if any(left.values()):
        named = ", ".join(f"{values} with {key_id}" for key_id, values in left.items() if values)
        return Check("keys match", "warn", f"{ring.primary} seals; still sealed are {named}.", "tieline keys rotate")
    return Check("keys match", "ok", f"{len(ring.keys)} in the ring, sealing with {ring.primary}")


async def _clock(_: Settings, db: Database) -> Check:
    query = "SELECT strftime('%s', 'now')" if db.dialect == "sqlite" else "SELECT extract(epoch FROM clock_timestamp())"
    before = datetime.now(UTC).timestamp()
    there = float(await db.read(lambda connection: connection.execute(text(query)).scalar_one()))
    apart = abs(there - before)
    if apart < 5:
        return Check("clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, as the database's")
    hint = "Keep both machines on network time (NTP)."
    return Check("clock", "fail" if apart > 60 else "warn", f"{apart:.0f} s from the database's.", hint)


def public_url(settings: Settings) -> Iterator[Check]:
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        yield Check("public URL", "fail", f"{settings.url} is no address.", "Set TIELINE_PUBLIC_URL=https://...")
    elif parts.query or parts.fragment or "@" in parts.netloc:
        yield Check("public URL", "fail", f"{settings.url} has more than host and path.", "Leave the rest out.")
    elif parts.scheme == "http" and host not in _LOOPBACK:
        hint = "Set TIELINE_PUBLIC_URL=https://..., and let a proxy in front end TLS."
        yield Check("public URL", "fail", f"{settings.url}: secrets would travel in the clear.", hint)
    elif host in _LOOPBACK and settings.host not in _LOOPBACK:
        hint = "Set TIELINE_PUBLIC_URL to the address that users see."
        yield Check("public URL", "warn", f"It is {settings.url}, and others can reach {settings.host}.", hint)
    else:
        note = "; for this machine only" if host in _LOOPBACK else ""
        yield Check("public URL", "ok", settings.url + note)


def egress(settings: Settings) -> Iterator[Check]:
    networks = settings.allowed_networks
    opened = [*map(str, networks), *sorted(settings.allowed_hosts)]
    wide = [str(each) for each in networks if each.prefixlen < (8 if each.version == 4 else 16)]
    metadata = [str(each) for each in networks if each.version == 4 and each.overlaps(ip_network("169.254.0.0/16"))]
    if wide or metadata:
        hint = "Name the networks or hosts that providers of yours are in, one by one."
        yield Check("egress", "warn", f"{', '.join([*wide, *metadata])} opens more than a service of yours.", hint)
    elif opened and urlsplit(settings.url).hostname not in _LOOPBACK:
        yield Check(
            "egress", "warn", f"Besides public addresses: {', '.join(opened)}.", "Every tenant's document may use them."
        )
    else:
        yield Check("egress", "ok", f"public addresses{''.join(f', {each}' for each in opened)}")


def packages() -> Iterator[Check]:
    """Installed versions against those that this Tieline asks for: the ones before have known weaknesses."""
    old = [f"{name} {has} (at least {floor})" for name, has, floor in _installed() if _release(has) < _release(floor)]
    if old:
        yield Check("packages", "fail", f"Too old: {', '.join(old)}.", "pip install --upgrade tieline")
    else:
        names = [f"{name} {has}" for name, has, _ in _installed() if name in ("cryptography", "aiohttp", "starlette")]
        yield Check("packages", "ok", ", ".join([f"tieline {importlib.metadata.version('tieline')}", *names]))


def _installed() -> Iterator[tuple[str, str, str]]:
    for line in importlib.metadata.requires("tieline") or ():
        wanted = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?\s*>=\s*([0-9.]+)", line)
        if wanted is None:
            continue
        try:
            yield wanted[1], importlib.metadata.version(wanted[1]), wanted[2]
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that is not installed


def _release(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:4]]
