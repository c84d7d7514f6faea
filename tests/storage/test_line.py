import asyncio
import time

import pytest
from sqlalchemy import text

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_standing_in_line_for_a_connection_is_no_outage(database):
    began = time.monotonic()

    answers = await asyncio.gather(
        *(
            database.read(lambda connection: connection.execute(text("SELECT 1 FROM pg_sleep(0.5)")).scalar_one())
            for _ in range(60)
        )
    )

    assert answers == [1] * 60
    # The last ones stood in line for longer than a database may take to answer.
    assert time.monotonic() - began > 1.8
