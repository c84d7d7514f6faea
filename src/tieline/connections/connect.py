"""The connect flow as one noun: `start`, `get`, `cancel` and `complete` for the application, `flow` for the browser."""

from tieline.actor import Actor
from tieline.connections.completing import Completing
from tieline.connections.flow import Flow
from tieline.connections.loading import Loader
from tieline.connections.sessions import Sessions
from tieline.connections.types import Completion
from tieline.egress import Egress
from tieline.storage import Database


class Connect(Sessions):
    """See `security` in the docs: who starts is who completes."""

    def __init__(self, db: Database, loader: Loader, egress: Egress, *, public_url: str) -> None:
        super().__init__(db, loader, public_url=public_url)
        self._completing = Completing(db, loader, egress, public_url=public_url)
        self.flow = Flow(db, loader, egress, self._completing, public_url=public_url)

    async def complete(self, actor: Actor, *, nonce: str, end_user: str | None = None) -> Completion:
        """For the user who is logged in at the application now. Raises as Completing.by_nonce does."""
        return await self._completing.by_nonce(actor, nonce, end_user or "")

    async def drain(self) -> None:
        await self._completing.drain()
