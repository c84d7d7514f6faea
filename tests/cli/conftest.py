"""The command line as its users have it: in this process where that is quick, else as a process of its own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread
import pytest
from typer.testing import CliRunner, Result

from tieline.cli.program import app
from tieline.hub import Hub
from tieline.settings import Settings
from tieline.testing import PracticeProvider, practice_key_document, serve


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder, with the variables that are set there and no others of Tieline's."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIELINE_")}
        return {**inherited, "TIELINE_EGRESS_ALLOW": "127.0.0.0/8", **self.variables}

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """In this process, as typer runs it."""
        none = {name: None for name in os.environ if name.startswith("TIELINE_")}
        return CliRunner(env={**none, **self.environment}).invoke(app, arguments, input=stdin)

    async def run_beside(self, *arguments: str, stdin: str | None = None) -> Result:
        """In this process, while a server of the test answers."""
        return await anyio.to_thread.run_sync(lambda: self.run(*arguments, stdin=stdin))

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """As a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tieline", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the processes of these tests keep their bytecode: without any, each would take seconds to start."""
    base = tmp_path_factory.getbasetemp()
    # The workers of one run share it.
    return str((base.parent if base.name.startswith("popen-") else base) / "compiled")


@pytest.fixture
def shell(tmp_path: Path, compiled: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return Shell(tmp_path, {"PYTHONPYCACHEPREFIX": compiled})


@pytest.fixture(scope="session")
def first_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "data"

    async def make() -> None:
        async with Hub.open(settings=Settings(data=str(folder))) as hub:
            await hub.create_first_key()

    asyncio.run(make())
    return folder


@pytest.fixture
def here(shell: Shell, first_data: Path) -> Shell:
    """In a folder with data that `tieline init` made."""
    shutil.copytree(first_data, shell.folder / "tieline-data")
    return shell


@dataclass(frozen=True)
class Practice:
    provider: PracticeProvider
    url: str


@pytest.fixture
async def practice() -> AsyncIterator[Practice]:
    provider = PracticeProvider()
    async with serve(provider.app) as url:
        yield Practice(provider, url)


@pytest.fixture
def save(shell: Shell) -> Callable[[Mapping[str, object] | Sequence[object], str], str]:
    """Writes JSON into the folder; its name."""

    def write(content: object, name: str = "file.json") -> str:
        (shell.folder / name).write_text(json.dumps(content))
        return name

    return write


@pytest.fixture
async def connected(here: Shell, practice: Practice, save: Callable[..., str]) -> Shell:
    """`ada/practice-key` is connected, and `bo/practice-key` as well."""
    practice.provider.api_keys["bo-key"] = "bo@practice.example"
    bodies = [
        {"provider": "practice-key", "endUser": "ada", "inputs": {"apiKey": "practice-key"}},
        {"provider": "practice-key", "endUser": "bo", "inputs": {"apiKey": "bo-key"}},
    ]
    added = await here.run_beside("providers", "add", save(practice_key_document(practice.url), "practice.json"))
    assert added.exit_code == 0, added.output
    imported = await here.run_beside("connections", "import", save(bodies, "bodies.json"))
    assert imported.exit_code == 0, imported.output
    return here
