"""After whole flows, no secret stands in the clear in any file of the database, nor in the audit, in any encoding."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tieline.connections import Reference
from tieline.errors import EndUserMismatch

pytestmark = pytest.mark.anyio


@pytest.fixture
def canaries(world, monkeypatch) -> Iterator[set[str]]:
    """Every random text that the flow makes is noted: states, verifiers, nonces, tokens."""
    import secrets

    seen: set[str] = set()
    real = secrets.token_urlsafe

    def noting(length: int = 32) -> str:
        made = real(length)
        seen.add(made)
        return made

    monkeypatch.setattr(secrets, "token_urlsafe", noting)
    return seen


def encodings(secret: str) -> set[bytes]:
    plain = secret.encode()
    found = {plain, plain.hex().encode(), plain.hex().upper().encode(), quote(secret, safe="").encode()}
    found |= {json.dumps(secret)[1:-1].encode(), plain[::-1], secret.encode("utf-16-le")}
    # Base64 looks different at each of three places in what is encoded; the ends depend on the neighbours.
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {encode(b"x" * shift + plain)[4:-4] for shift in range(3)}
    return found


def leaks(files: list[Path], secrets: set[str]) -> list[str]:
    """Which secrets are in which file."""
    content = {file.name: file.read_bytes() for file in files}
    return [
        f"{secret[:6]}... in {name}"
        for secret in secrets
        for name, data in content.items()
        if any(each in data for each in encodings(secret) if len(each) >= 12)
    ]


async def test_no_secret_of_a_flow_is_in_the_database_file(world, canaries, database_url):
    world.practice.client_secret = "canary-client-secret-51c0"
    world.practice.api_keys = {"canary-api-key-77e2": "ada@practice.example"}
    oauth, key = await world.register(), await world.register_key()
    await world.acme.integrations.put(oauth, client_secret=world.practice.client_secret)
    created = await world.acme.api_keys.create("proxy")
    started = await world.start(oauth)
    connection = await world.connected(oauth)
    await world.acme.connections.refresh(connection.id)
    await world.token(connection)
    abandoned = await world.visited(oauth, end_user="bo")
    with pytest.raises(EndUserMismatch):
        await world.complete(abandoned, end_user="mallory")
    waiting = await world.visited(oauth, end_user="cy")
    typed = await world.start(key, inputs={})
    page = await world.hub.connect.flow.submit(
        typed.token, {"apiKey": "canary-api-key-77e2"}, method=None, browser=None
    )
    await world.acme.connections.create(provider=key, end_user="di", inputs={"apiKey": "canary-api-key-77e2"})
    await world.acme.audit.verify()

    ledger = world.practice.ledger
    secrets = {*canaries, *ledger.codes, *ledger.access_tokens, *ledger.refresh_tokens}
    secrets |= {
        world.practice.client_secret,
        *world.practice.api_keys,
        created.key.reveal(),
        waiting.nonce,
        waiting.browser,
    }
    secrets |= {visit.token for visit in (started, abandoned, waiting, typed)}
    secrets |= {urlsplit(page.url.reveal()).query.rpartition("=")[2]}
    file = Path(database_url.removeprefix("sqlite:///"))
    files = [each for each in file.parent.iterdir() if each.name.startswith(file.name) and each.suffix != ".keys"]

    assert len(canaries) > 15
    assert {each.name for each in files} >= {file.name, f"{file.name}-wal"}
    assert leaks(files, secrets) == []


async def test_the_scan_would_find_one(tmp_path):
    for number, place in enumerate(sorted(encodings("pr_a-secret-of-some-length-0123456789"))):
        (tmp_path / str(number)).write_bytes(b"\x00..." + place + b"...")

    found = leaks(list(tmp_path.iterdir()), {"pr_a-secret-of-some-length-0123456789"})

    assert len(found) == len(list(tmp_path.iterdir()))


async def test_no_outward_value_shows_a_secret(world):
    connection = await world.connected(await world.register())
    ledger = world.practice.ledger
    secrets = {*ledger.codes, *ledger.access_tokens, *ledger.refresh_tokens, "practice-secret"}
    credential = await world.acme.connections.credentials(Reference(id=connection.id))

    shown = [
        repr(credential),
        repr(connection),
        connection.model_dump_json(),
        (await world.acme.connections.explain(connection.id)).model_dump_json(),
        (await world.acme.integrations.get("practice")).model_dump_json(),
        "".join(each.model_dump_json() for each in (await world.acme.audit.list(limit=200)).items),
        repr(await world.hub.fresh.current(await world.acme.actor(), Reference(id=connection.id))),
    ]

    assert not [secret for secret in secrets for text in shown if secret in text]


async def test_no_secret_is_logged(world, capsys, caplog):
    caplog.set_level("DEBUG")
    connection = await world.connected(await world.register())
    world.practice.switches.token_answer = "500"
    await world.age(connection, living=True)
    await world.call(connection)
    ledger = world.practice.ledger

    # The test's own browser logs what it does as well.
    ours = [each.getMessage() + str(vars(each)) for each in caplog.records if not each.name.startswith("http")]
    logged = "".join([*ours, *capsys.readouterr()])

    assert "refresh failed" in logged
    secrets = {*ledger.codes, *ledger.access_tokens, *ledger.refresh_tokens, "practice-secret"}
    assert not [secret for secret in secrets if secret in logged]
