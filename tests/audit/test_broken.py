"""A value that does not open is written down without a write for each time that somebody asks for it."""

import asyncio

import pytest

from tieline.audit import Audit
from tieline.errors import SealBroken
from tieline.storage.vault import About

pytestmark = pytest.mark.anyio


async def test_asking_again_and_again_writes_once(database, vault, actor):
    audit = Audit(database, vault, every=60)
    await audit.start()
    about = About(actor.organization, "credentials", "conn_1", "sealed")
    blob = vault.seal(b"r0", about=about)[:-1]
    writes, write = [], database.write
    database.write = lambda change: (writes.append(1), write(change))[1]

    for _ in range(50):
        with pytest.raises(SealBroken):
            vault.open(blob, about=about)
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)
    made = len(writes)
    await audit.close()

    assert made == 1
    (event,) = (await audit.list(actor, action="seal.broken")).items
    assert (event.target, event.outcome) == ("conn_1", "refused")
