"""What a newcomer can try while the demo stays up: lines that work as they are."""

import sys

from tieline.demo.stage import Stage
from tieline.demo.story import PROVIDER, USER
from tieline.demo.telling import Teller

OTHER = "bo"


def _command() -> str:
    """As it was typed: it need not be on the PATH."""
    return sys.argv[0] if sys.argv[0].endswith("tieline") else "tieline"


async def offer(stage: Stage, teller: Teller) -> None:
    session = await stage.tieline.connect.start(provider=PROVIDER, end_user=OTHER)
    stage.notes.take()
    teller.heading("Now you. It stays up until Control-C, and then forgets everything. The API key, for playing:")
    teller.plain(f"\nexport KEY={stage.key.reveal()}")
    teller.heading("1. Call the service's API as Ada; then see what is connected")
    path = f"/v1/end-users/{USER}/connections/{PROVIDER}"
    teller.plain(f'curl -sS {stage.url}{path}/proxy/me -H "Authorization: Bearer $KEY"')
    teller.plain(f'curl -sS {stage.url}/v1/connections -H "Authorization: Bearer $KEY"')
    teller.heading(f"2. Be another user, {OTHER}: open this page within ten minutes, connect, and call as {OTHER}")
    teller.plain(session.url.reveal())
    teller.plain(
        f'curl -sS {stage.url}/v1/end-users/{OTHER}/connections/{PROVIDER}/proxy/me -H "Authorization: Bearer $KEY"'
    )
    teller.heading("3. Read what else the API can do; or use the command line on this service")
    teller.plain(f"{stage.url}/docs")
    teller.plain(f"TIELINE_URL={stage.url} TIELINE_API_KEY=$KEY {_command()} connections list")
    teller.plain()
