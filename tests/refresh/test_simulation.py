"""The protocol of a refresh under thousands of schedules, each made of its seed. A failure says its seed, and
`REFRESH_SEED=4711 pytest tests/refresh/test_simulation.py -k one_seed` runs that schedule again."""

import os
from collections.abc import Iterator

import pytest
import structlog
import time_machine
from sqlalchemy import Connection

from .schedule import run_schedule
from .simulated import START, new_database

PARTS = 16
PART_OF_FEW, PART_OF_MANY = 125, 6_250


@pytest.fixture
def quiet() -> None:
    """Thousands of warnings of refreshes that fail on purpose."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture
def simulated_database() -> Iterator[Connection]:
    with new_database() as connection:
        yield connection


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_promise_is_broken_in_two_thousand_schedules(part, simulated_database):
    _run(range(part * PART_OF_FEW, (part + 1) * PART_OF_FEW), simulated_database)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_promise_is_broken_in_a_hundred_thousand_schedules(part, simulated_database):
    _run(range(1_000_000 + part * PART_OF_MANY, 1_000_000 + (part + 1) * PART_OF_MANY), simulated_database)


if "REFRESH_SEED" in os.environ:

    @pytest.mark.usefixtures("quiet")
    def test_no_promise_is_broken_in_the_schedule_of_one_seed(simulated_database):
        _run([int(os.environ["REFRESH_SEED"])], simulated_database)


def _run(seeds: range | list[int], database: Connection) -> None:
    with time_machine.travel(START, tick=False) as traveller:
        for seed in seeds:
            run_schedule(seed, database, traveller)
