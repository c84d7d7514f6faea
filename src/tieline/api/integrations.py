"""An organization's registrations over HTTP. Client secrets come in and never go out."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BeforeValidator, ConfigDict, WithJsonSchema

from tieline.api.asking import ProviderId, TheActor, TheHub
from tieline.api.bodies import Body, StrictRoute
from tieline.api.described import answers, body
from tieline.api.examples import page
from tieline.errors import InvalidInputs, NotFound
from tieline.integrations.types import ClientSettings, Integration
from tieline.secret import Secret
from tieline.shapes import Page

router = APIRouter(tags=["integrations"], route_class=StrictRoute)


def _secret(value: object) -> Secret:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")
    return Secret(value)


SecretText = Annotated[Secret, BeforeValidator(_secret), WithJsonSchema({"type": "string", "writeOnly": True})]


class ClientBody(Body):
    """One client; a part that is left out stays as it is."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client_id: str | None = None
    client_secret: SecretText | None = None


class IntegrationBody(ClientBody):
    """What is left out stays as it is. `clients` is by `<method>` or `<method>/<variant>`."""

    scopes: tuple[str, ...] | None = None
    enabled: bool | None = None
    admin_inputs: Mapping[str, object] | None = None
    clients: Mapping[str, ClientBody] | None = None
    channel: str | None = None
    pinned_version: str | None = None


_INTEGRATION: dict[str, Any] = {
    "provider": "acme",
    "configured": True,
    "enabled": True,
    "source": "own",
    "clientId": "tieline-at-acme",
    "clientSecretSet": True,
    "redirectUri": "https://connect.example.com/oauth/callback/cli_01k0example",
    "scopes": ["profile"],
    "clients": {},
    "adminInputs": {},
    "secretInputsSet": [],
    "fields": {"type": "object", "properties": {}},
    "setup": {"url": "https://acme.example/developers", "steps": ["Register an application."]},
    "overlay": {},
    "channel": "stable",
    "pinnedVersion": None,
}


@router.get("/v1/integrations", summary="List integrations", responses=answers(page(_INTEGRATION)))
async def list_integrations(hub: TheHub, actor: TheActor) -> Page[Integration]:
    """Those that are set: this organization's own, and its platform's."""
    return await hub.integrations.list(actor)


@router.get("/v1/integrations/{providerId}", summary="Read an integration", responses=answers(_INTEGRATION, NotFound))
async def get(hub: TheHub, actor: TheActor, provider: ProviderId) -> Integration:
    """Also before anything is set, so that the redirect URI can be entered at the provider first."""
    return await hub.integrations.get(actor, provider)


@router.put(
    "/v1/integrations/{providerId}",
    summary="Set an integration",
    openapi_extra=body({"clientId": "tieline-at-acme", "clientSecret": "...", "scopes": ["profile"]}),
    responses=answers(_INTEGRATION, NotFound, InvalidInputs),
)
async def put(hub: TheHub, actor: TheActor, provider: ProviderId, wanted: IntegrationBody) -> Integration:
    """The client, its write-only secret, the scopes and the admin's inputs. What is left out stays as it is."""
    given = wanted.given()
    if wanted.clients is not None:
        clients = wanted.clients.items()
        given["clients"] = {name: ClientSettings(each.client_id, each.client_secret) for name, each in clients}
    return await hub.integrations.put(actor, provider, **given)


@router.delete(
    "/v1/integrations/{providerId}",
    status_code=204,
    summary="Remove an integration",
    responses=answers(None, NotFound, status=204),
)
async def delete(hub: TheHub, actor: TheActor, provider: ProviderId) -> None:
    """Removes this organization's own, with its secrets; a customer then inherits its platform's again."""
    await hub.integrations.delete(actor, provider)
