"""The queries of integrations: which registration an organization uses, its own or its platform's."""

from typing import Any

from sqlalchemy import Connection, Row, case, select

from tieline.actor import Actor
from tieline.ids import made_id
from tieline.integrations.tables import clients, integrations


def integration_id(organization: str, provider_id: str) -> str:
    return made_id("int", organization, provider_id)


def client_row_id(integration: str, method: str, variant: str | None, issuer: str = "") -> str:
    """Also the last part of its redirect URI, so that this is known, and stays, before a client is stored."""
    return made_id("cli", integration, method, variant or "", issuer)


def effective(connection: Connection, actor: Actor, provider_id: str) -> Row[Any] | None:
    """The organization's own registration, else the one it inherits."""
    query = (
        select(integrations)
        .where(integrations.c.provider_id == provider_id, integrations.c.org.in_(actor.lineage))
        .order_by(case((integrations.c.org == actor.organization, 0), else_=1))
        .limit(1)
    )
    return connection.execute(query).first()


def own(connection: Connection, actor: Actor, provider_id: str) -> Row[Any] | None:
    query = select(integrations).where(
        integrations.c.org == actor.organization, integrations.c.provider_id == provider_id
    )
    return connection.execute(query).first()


def clients_of(connection: Connection, integration: str) -> list[Row[Any]]:
    return list(connection.execute(select(clients).where(clients.c.integration_id == integration)))


def client(connection: Connection, client_row: str) -> Row[Any] | None:
    return connection.execute(select(clients).where(clients.c.id == client_row)).first()


def by_id(connection: Connection, integration: str) -> Row[Any]:
    """The row that a client refers to."""
    return connection.execute(select(integrations).where(integrations.c.id == integration)).one()
