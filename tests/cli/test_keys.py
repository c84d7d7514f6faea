"""`tieline keys`: from one key to the next, on the command line."""

import json

import pytest

from tieline.storage.keyring import KeyRing

from .conftest import Shell

pytestmark = pytest.mark.anyio


async def keys(shell: Shell) -> dict[str, tuple[str, bool]]:
    listed = json.loads((await shell.run_beside("keys", "list", "--json")).stdout)["items"]
    return {key["id"]: (key["state"], key["values"] > 0) for key in listed}


async def test_a_key_takes_over_from_another(connected: Shell) -> None:
    assert await keys(connected) == {"k1": ("primary", True)}

    added = await connected.run_beside("keys", "add")
    assert added.exit_code == 0, added.output
    assert await keys(connected) == {"k1": ("primary", True), "k2": ("new", False)}
    refused = await connected.run_beside("keys", "drop", "k1")
    rotated = await connected.run_beside("keys", "rotate")
    assert rotated.exit_code == 0, rotated.output
    assert await keys(connected) == {"k1": ("readable", False), "k2": ("primary", True)}
    dropped = await connected.run_beside("keys", "drop", "k1")

    assert refused.exit_code == 5
    assert dropped.exit_code == 0, dropped.output
    assert "k1:" not in (connected.folder / "tieline-data" / "keys").read_text()
    assert (await connected.run_beside("doctor")).exit_code == 0
    assert (await connected.run_beside("connections", "explain", "ada/practice-key")).exit_code == 0


async def test_rotating_stops_at_one_key(here: Shell) -> None:
    rotated = await here.run_beside("keys", "rotate")

    assert rotated.exit_code == 2
    assert "tieline keys add" in rotated.output


async def test_a_ring_in_the_settings_is_its_owners(here: Shell) -> None:
    ring = (here.folder / "tieline-data" / "keys").read_text().strip()
    here.variables["TIELINE_KEYS"] = f"{ring},{KeyRing.generate('k2').text.reveal()}"

    added = await here.run_beside("keys", "add")

    assert added.exit_code == 2
    assert "TIELINE_KEYS" in added.output


async def test_the_doctor_says_what_is_still_sealed_with_an_older_key(connected: Shell) -> None:
    ring = (connected.folder / "tieline-data" / "keys").read_text().strip()
    connected.variables["TIELINE_KEYS"] = f"{KeyRing.generate('k2').text.reveal()},{ring}"

    looked = json.loads((await connected.run_beside("doctor", "--json")).stdout)["checks"]

    (check,) = [each for each in looked if each["name"] == "keys match"]
    assert check["status"] == "warn"
    assert "with k1" in check["message"]
    assert check["hint"] == "tieline keys rotate"
    del connected.variables["TIELINE_KEYS"]
    assert await keys(connected) == {"k1": ("primary", True)}, "looking changes nothing"
