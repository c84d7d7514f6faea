"""The sealed values of connections and connect sessions, for who seals them anew under another key."""

from sqlalchemy import select

from tieline.connections import sessions
from tieline.connections.loading import about
from tieline.connections.tables import connect_sessions, connections, credentials
from tieline.storage.cells import Cells

_CREDENTIALS = select(
    credentials.c.connection_id,
    credentials.c.version,
    credentials.c.sealed,
    connections.c.org,
    connections.c.end_user,
    connections.c.provider_id,
    connections.c.origins,
).join(connections, connections.c.id == credentials.c.connection_id)

SEALED = (
    Cells(
        credentials,
        _CREDENTIALS,
        lambda row: about(row.org, row.connection_id, row.end_user, row.provider_id, row.origins, row.version),
    ),
    Cells(connect_sessions, select(connect_sessions), sessions.about),
)
