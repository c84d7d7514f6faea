"""What the benchmarks of the server run on: PostgreSQL, the upstream, the bare server and ours, ours alone on a core.

Everything else, the callers too, has the other cores. Figures are per CPU-second of a server's process, user and
system: what a caller waits for elsewhere does not count for or against it.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from bench import bare
from tools.postgresql import running

from tieline import Hub
from tieline.connections.loading import about
from tieline.settings import load_settings
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import About, Vault
from tieline.testing import practice_document

TOKEN = "practice-access-token-" + "x" * 40
_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
_BATCH = 10_000
_driver: Any = asyncpg  # it has no types


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu(self) -> float:
        """Seconds of user and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak(self) -> int:
        """Bytes of memory at most since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@dataclass
class Ground:
    database_url: str
    key: str
    bare: Served
    ours: Served
    upstream: Served
    vault: Vault
    ids: list[str] = field(default_factory=list[str])

    async def fill(self, count: int) -> None:
        """Until there are `count` connections, each a copy of the first with a credential sealed for itself."""
        new = [f"conn_{number:026d}" for number in range(len(self.ids), count)]
        connection = await _driver.connect(self.database_url)
        try:
            first = await connection.fetchrow("SELECT * FROM connections ORDER BY created_at LIMIT 1")
            secret = await connection.fetchrow("SELECT * FROM credentials WHERE connection_id = $1", first["id"])
            plain = self.vault.open(secret["sealed"], about=_about(first, secret))
            for start in range(0, len(new), _BATCH):
                await self._copies(connection, first, secret, plain, new[start : start + _BATCH])
            await connection.execute("ANALYZE")
        finally:
            await connection.close()
        self.ids += new

    async def _copies(
        self, connection: Any, first: Mapping[str, Any], secret: Mapping[str, Any], plain: bytes, ids: list[str]
    ) -> None:
        rows, secrets = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
        for each in ids:
            own = {**first, "id": each, "end_user": each, "account_id": each}
            rows.append(tuple(own.values()))
            sealed = self.vault.seal(plain, about=_about(own, secret))
            secrets.append(tuple({**secret, "connection_id": each, "sealed": sealed}.values()))
        await connection.copy_records_to_table("connections", records=rows, columns=list(first.keys()))
        await connection.copy_records_to_table("credentials", records=secrets, columns=list(secret.keys()))
        blob = bare.sealed(TOKEN)
        await connection.copy_records_to_table("bare", records=[(each, blob) for each in ids], columns=["id", "sealed"])

    def read(self, identifier: str) -> bytes:
        return self._request(f"/v1/connections/{identifier}/credentials")

    def call(self, identifier: str, path: str = "1k") -> bytes:
        return self._request(f"/v1/connections/{identifier}/proxy/{path}")

    def page(self) -> bytes:
        return self._request("/v1/connections?limit=50")

    def _request(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode()

    def bare_read(self, identifier: str) -> bytes:
        return f"GET /read/{identifier} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

    def bare_call(self, identifier: str, path: str = "1k") -> bytes:
        return f"GET /call/{identifier}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@asynccontextmanager
async def ground() -> AsyncGenerator[Ground]:
    if len(_CORES) > 1:
        os.sched_setaffinity(0, _CORES[1:])
    ring = KeyRing.generate()
    async with AsyncExitStack() as stack:
        url = stack.enter_context(running())
        upstream = stack.enter_context(_served([sys.executable, "-m", "bench.upstream"]))
        key = await _first(url, ring, f"http://127.0.0.1:{upstream.port}")
        at = f"http://127.0.0.1:{upstream.port}"
        other = stack.enter_context(_served([sys.executable, "-m", "bench.bare", url, at], alone=True))
        environment = {
            "TIELINE_DATABASE_URL": url,
            "TIELINE_KEYS": ring.text.reveal(),
            "TIELINE_EGRESS_ALLOW": "127.0.0.0/8",
        }
        command = [str(Path(sys.executable).with_name("tieline")), "serve", "--port"]
        ours = stack.enter_context(_served(command, environment, alone=True))
        yield Ground(url, key, other, ours, upstream, Vault(ring))


async def _first(url: str, ring: KeyRing, upstream: str) -> str:
    """The provider, one connection and a key that may use it."""
    settings = load_settings({}, database_url=url, keys=ring.text.reveal(), egress_allow="127.0.0.0/8")
    key = ""
    async with Hub.open(settings=settings) as hub:
        acme = hub.organization("default")
        provider = await acme.providers.register(practice_document(upstream, check=None, rateLimits=None))
        await acme.integrations.put(provider.id, client_id="client")
        await acme.connections.create(provider=provider.id, end_user="first", credentials={"accessToken": TOKEN})
        made = await acme.api_keys.create("bench", scopes={"credentials:read", "connections:read", "proxy"})
        key = made.key.reveal()
    connection = await _driver.connect(url)
    await connection.execute("CREATE TABLE bare (id text PRIMARY KEY, sealed bytea NOT NULL)")
    await connection.close()
    return key


@contextmanager
def _served(command: list[str], environment: dict[str, str] | None = None, *, alone: bool = False) -> Generator[Served]:
    """`alone`: on the first core, which nothing else of ours uses."""
    port = _free_port()
    process = subprocess.Popen(  # noqa: S603  our own servers
        [*command, str(port)], env=os.environ | (environment or {}), stdout=subprocess.DEVNULL
    )
    if alone:
        os.sched_setaffinity(process.pid, _CORES[:1])
    try:
        _wait_for(port, process)
        yield Served(process, port)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            probe.settimeout(0.1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break

        time.sleep(0.1)
    raise RuntimeError(f"{process.args} does not answer")


def _about(row: Mapping[str, Any], secret: Mapping[str, Any]) -> About:
    return about(row["org"], row["id"], row["end_user"], row["provider_id"], row["origins"], secret["version"])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
