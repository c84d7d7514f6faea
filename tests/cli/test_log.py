"""What the server writes at its most talkative."""

import re
import subprocess
from typing import Any

import httpx2
from tests.canary.canary import Canary
from tests.canary.mark import MARK


def test_a_server_at_debug_logs_neither_keys_nor_what_stands_in_addresses(shell: Any) -> None:
    shell.variables["TIELINE_LOG_LEVEL"] = "debug"
    server: subprocess.Popen[str] = shell.start("serve", "--port", "0", "--data", "d")
    shown = ""
    while "tieline connect" not in shown:
        shown += server.stdout.readline()
    url, key = re.search(r"http://\S+?:\d+", shown)[0], re.search(r"tl_\w+", shown)[0]

    with httpx2.Client(base_url=url, trust_env=False) as http:
        for path in (f"/connect/tlc_{MARK}{'x' * 31}", f"/oauth/callback/cli_1?code={MARK}&state={MARK}", "/nowhere"):
            http.get(path)
        http.get("/v1/connections", headers={"Authorization": f"Bearer {key}"})
        http.get("/v1/connections", headers={"Authorization": f"Bearer {MARK}"})
        http.post("/v1/connections", headers={"Authorization": f"Bearer {key}"}, json={"provider": MARK})
    server.terminate()
    rest, errors = server.communicate(timeout=60)

    assert [*Canary(keys={key}).found("log", (rest + errors).encode())] == []
