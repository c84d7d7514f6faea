"""The sealed values of integrations and their clients, for who seals them anew under another key."""

from sqlalchemy import select

from tieline.integrations.registration import about_inputs, about_secret
from tieline.integrations.tables import clients, integrations
from tieline.storage.cells import Cells

SEALED = (
    Cells(integrations, select(integrations), lambda row: about_inputs(row.id, row.org, row.origins)),
    Cells(clients, select(clients), lambda row: about_secret(row.id, row.org, row.origins)),
)
