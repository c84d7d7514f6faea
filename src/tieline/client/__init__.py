"""Tieline over HTTP: the nouns of `hub.organization(slug)`, for an application in another process.

    acme = AsyncClient("https://connect.example", key).organization("acme")
    await acme.connections.create(provider="my-api", end_user="ada", inputs={"apiKey": "..."})

Same keyword arguments, same values, same errors (`tieline.errors`). Neither the hub nor a database is imported.
"""

from tieline.client.clients import AsyncClient, AsyncOrganization, Client, Organization

__all__ = ["AsyncClient", "AsyncOrganization", "Client", "Organization"]
