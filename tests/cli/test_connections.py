"""`tieline connections` and `tieline request`, against a provider that answers."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import pytest

from tieline.testing import practice_key_document

pytestmark = pytest.mark.anyio
Shell = Any
Practice = Any
Save = Callable[..., str]


async def test_connections_are_listed_shown_and_checked(connected: Shell) -> None:
    listed = await connected.run_beside("connections", "list", "--user", "ada", "--json")
    shown = await connected.run_beside("connections", "show", "ada/practice-key", "--json")
    checked = await connected.run_beside("connections", "check", "ada/practice-key")
    explained = await connected.run_beside("connections", "explain", "ada/practice-key", "--json")

    (found,) = json.loads(listed.stdout)["items"]
    assert json.loads(shown.stdout)["id"] == found["id"]
    assert checked.exit_code == 0, checked.output
    assert json.loads(explained.stdout)["usable"] is True


async def test_a_suspended_connection_is_refused_as_a_conflict_until_it_is_resumed(connected: Shell) -> None:
    await connected.run_beside("connections", "suspend", "ada/practice-key")
    refused = await connected.run_beside("request", "ada/practice-key", "GET", "/me")
    await connected.run_beside("connections", "resume", "ada/practice-key")
    answered = await connected.run_beside("request", "ada/practice-key", "GET", "/me")

    assert (refused.exit_code, answered.exit_code) == (5, 0)
    assert refused.stderr.startswith("error: This connection is suspended")


async def test_deleting_asks_unless_it_is_told_not_to(connected: Shell) -> None:
    asked = await connected.run_beside("connections", "delete", "ada/practice-key")
    deleted = await connected.run_beside("connections", "delete", "ada/practice-key", "--yes")
    gone = await connected.run_beside("connections", "show", "ada/practice-key")

    assert (asked.exit_code, deleted.exit_code, gone.exit_code) == (2, 0, 3)


async def test_of_several_imports_each_is_tried_and_the_first_failure_is_the_status(
    connected: Shell, save: Save
) -> None:
    bodies = [
        {"provider": "practice-key", "endUser": "chidi", "inputs": {"apiKey": "wrong"}},
        {"provider": "practice-key", "endUser": "dora", "inputs": {"apiKey": "practice-key"}},
    ]

    tried = await connected.run_beside("connections", "import", save(bodies), "--json")

    assert tried.exit_code == 6
    assert "number 0:" in tried.stderr
    assert [item["endUser"] for item in json.loads(tried.stdout)["items"]] == ["dora"]
    assert "wrong" not in tried.output


async def test_a_request_is_made_as_the_user_and_its_answer_is_printed(connected: Shell) -> None:
    ada = await connected.run_beside("request", "ada/practice-key", "get", "/me")
    bo = await connected.run_beside("request", "bo/practice-key", "GET", "/me", "--include")

    assert json.loads(ada.stdout)["name"] == "Ada Brightwater"
    assert bo.stdout.startswith("HTTP 200")
    assert "content-type: application/json" in bo.stdout
    assert "Bo Lindqvist" in bo.stdout


async def test_fields_are_a_json_body(connected: Shell) -> None:
    fields = ["-f", "name=Ada", "-f", "count=2", "-f", "on=true", "-f", "tags=[1]", "-f", "zip=007"]

    sent = await connected.run_beside("request", "ada/practice-key", "POST", "/echo", *fields, "-H", "X-Mine: 1")

    echoed = json.loads(sent.stdout)
    assert json.loads(echoed["body"]) == {"name": "Ada", "count": 2, "on": True, "tags": [1], "zip": "007"}
    assert echoed["headers"]["x-mine"] == "1"


async def test_the_exit_status_says_what_kind_of_answer_came(connected: Shell) -> None:
    expected = {200: 0, 302: 0, 400: 2, 404: 3, 403: 4, 409: 5, 500: 6}

    found = {
        status: (await connected.run_beside("request", "ada/practice-key", "POST", f"/status/{status}")).exit_code
        for status in expected
    }

    assert found == expected


async def test_a_body_streams_in_and_an_answer_streams_out(connected: Shell) -> None:
    command = ["request", "ada/practice-key", "PUT", "/upload", "--input", "-"]
    sent = connected.start(*command, stdin=subprocess.PIPE)

    out, errors = await anyio.to_thread.run_sync(lambda: sent.communicate("x" * 300_000, timeout=60))

    assert sent.returncode == 0, errors
    assert "300000" in out


async def test_an_answer_is_printed_while_it_is_still_coming(connected: Shell, practice: Practice) -> None:
    asked = connected.start("request", "ada/practice-key", "GET", "/stream?bytes=100000000")

    def read() -> tuple[int, int]:
        first = len(asked.stdout.buffer.read(4096))
        seen = practice.provider.bytes_streamed
        asked.stdout.close()
        asked.wait(60)
        return first, seen

    first, streamed = await anyio.to_thread.run_sync(read)

    assert first == 4096
    assert streamed < 100_000_000
    assert "Traceback" not in asked.stderr.read()


async def test_a_key_may_be_typed_or_piped_but_what_is_wrong_with_it_is_said_first(
    here: Shell, practice: Practice, save: Save
) -> None:
    await here.run_beside("providers", "add", save(practice_key_document(practice.url)))

    missing = await here.run_beside("connect", "practice-key", "--user", "ada")
    made = await here.run_beside("connect", "practice-key", "--user", "ada", "--input", "apiKey=practice-key", "--json")

    assert missing.exit_code == 2
    assert "/inputs/apiKey: API key is needed." in missing.stderr
    assert json.loads(made.stdout)["status"] == "active"
