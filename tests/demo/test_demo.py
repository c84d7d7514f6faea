"""`tieline demo`: the whole story, played by itself."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tieline.testing import Browser

STEPS = 7


@pytest.fixture
def environment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A temporary folder of its own shows what the demo leaves behind; a hostile setting, that it reads none."""
    (tmp_path / "tmp").mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIELINE_")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    inherited["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.getbasetemp() / "compiled")
    return {**inherited, "TMPDIR": str(tmp_path / "tmp"), "TIELINE_DATABASE_URL": "postgresql://127.0.0.1:1/mine"}


def test_the_story_ends_well_and_leaves_nothing_behind(tmp_path: Path, environment: dict[str, str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tieline", "demo", "--once"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("✓") == STEPS
    assert "1 refresh at the service" in told.stdout
    assert list(tmp_path.rglob("*")) == [tmp_path / "tmp"]
    assert not re.search(r"tl_[0-9A-Za-z]{20}|tlc_|practice-secret|Bearer", told.stdout + told.stderr)


def test_a_port_that_is_in_use_is_said_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = subprocess.run(
            [sys.executable, "-m", "tieline", "demo", "--once", "--port", port],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    assert told.returncode == 1
    assert re.search(rf"^error: .*Port {port} is in use", told.stderr)
    assert "Traceback" not in told.stderr


@pytest.fixture
def staying(tmp_path: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo whose story is over, and everything it has shown."""
    demo = subprocess.Popen(
        [sys.executable, "-u", "-m", "tieline", "demo", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(90, demo.kill)
    watchdog.start()
    yield demo, "".join(iter(demo.stdout.readline, _LAST))
    watchdog.cancel()
    demo.kill()
    demo.communicate()


@pytest.mark.anyio
async def test_a_newcomer_can_play_afterwards_with_the_lines_it_shows(
    staying: tuple[subprocess.Popen[str], str],
) -> None:
    demo, shown = staying
    key = re.search(r"KEY=(tl_\w+)", shown)[1]
    ada, bo = re.findall(r"^curl -sS (\S+/proxy/me)", shown, re.MULTILINE)
    docs = re.search(r"\S+/docs$", shown, re.MULTILINE)[0]
    connect = re.search(r"\S+/connect/tlc_\S+", shown)[0]

    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as http, Browser() as browser:
        assert (await http.get(ada)).json()["name"] == "Ada Brightwater"
        assert (await http.get(docs)).status_code == 200
        page = await browser.open(connect)
        page = await browser.submit(page.form())
        page = await browser.submit(page.form(having="decision"), account="bo@practice.example", decision="allow")
        await browser.submit(page.form())
        assert (await http.get(bo)).json()["name"] == "Bo Lindqvist"

    demo.terminate()
    assert demo.wait(30) == 0


class _Last:
    """Equals the last line that is shown, so that reading ends there."""

    def __eq__(self, line: object) -> bool:
        return isinstance(line, str) and (not line or "tieline connections list" in line)

    __hash__ = None


_LAST = _Last()
