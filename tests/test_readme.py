"""The README's first connection, run as it is written, but for the address and the key of a service that is there."""

import re
from pathlib import Path

import pytest

from tieline.testing import PracticeProvider, serve

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.anyio
async def test_the_first_connection_of_the_readme_works(tmp_path, monkeypatch, capsys):
    practice = PracticeProvider()
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1].replace("asyncio.run(main())", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIELINE_EGRESS_ALLOW", "127.0.0.0/8")
    names: dict[str, object] = {}

    async with serve(practice.app) as url:
        exec(code.replace("https://api.example.com", url).replace("ada's key", "practice-key"), names)
        await names["main"]()

    assert "200 OK" in capsys.readouterr().out
    assert "GET /v1/me" in practice.calls
