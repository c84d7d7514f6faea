"""The registry over HTTP: documents are taken as JSON or YAML, and every fault of one is told at once."""

from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tieline.api.asking import Cursor, Limit, ProviderId, TheActor, TheHub
from tieline.api.bodies import Body, StrictRoute
from tieline.api.described import answers, body
from tieline.api.examples import DOCUMENT, NOW, PROVIDER, PROVIDER_SUMMARY, page
from tieline.errors import Conflict, Fault, InvalidProvider, InvalidRequest, NotFound
from tieline.manifest.read import read_document
from tieline.providers.types import Provider, ProviderPage, ProviderSummary, ProviderVersion
from tieline.shapes import Page

router = APIRouter(tags=["providers"], route_class=StrictRoute)

_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_DOCUMENT = body(DOCUMENT, **{"application/yaml": {"example": yaml.safe_dump(DOCUMENT, sort_keys=False)}})
_PATCH = body({"name": "Our API", "logoUrl": "https://custom.example/logo.svg"})


async def _document(request: Request) -> dict[str, Any]:
    """Raises InvalidProvider for what cannot be read, InvalidRequest for another media type."""
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    text = await request.body()
    if media in _YAML:
        return read_document(text, media="yaml")
    if media == "application/json" or media.endswith("+json"):
        return read_document(text, media="json")
    hint = "Set Content-Type to application/json or application/yaml."
    fault = Fault("Content-Type", "media_type", f"A provider document is not sent as {media[:60]}.", hint)
    raise InvalidRequest("The document's media type is not known.", errors=[fault])


Version = Annotated[str | None, Query(description="An exact one; without it, the newest.", examples=["1.0.0"])]
TheDocument = Annotated[dict[str, Any], Depends(_document)]


class Instantiate(Body):
    """`params` are those that the template declares; `changes` are merged over it."""

    params: Mapping[str, object] | None = None
    name: str | None = None
    id: str | None = None
    changes: Mapping[str, object] | None = None


class Validation(Body):
    """`valid` is whether it could be registered; warnings do not hinder that."""

    valid: bool
    errors: tuple[Fault, ...]


@router.get(
    "/v1/providers", summary="Discover providers", responses=answers(page(PROVIDER_SUMMARY, categories={"custom": 1}))
)
async def discover(
    hub: TheHub,
    actor: TheActor,
    search: Annotated[str | None, Query(max_length=200, description="Every word is looked for.")] = None,
    category: Annotated[str | None, Query(description="Exactly this one.")] = None,
    auth_type: Annotated[str | None, Query(alias="authType", description="Such as `oauth2` or `api_key`.")] = None,
    status: Annotated[str | None, Query(description="draft, beta, stable or deprecated.")] = None,
    custom: Annotated[bool | None, Query(description="true: registered here; false: built in.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ProviderPage:
    """What this caller may see, by text and by facet, with the number of providers in each category."""
    return await hub.providers.list(
        actor,
        search=search,
        category=category,
        auth_type=auth_type,
        status=status,
        custom=custom,
        limit=limit,
        cursor=cursor,
    )


@router.post(
    "/v1/providers",
    status_code=201,
    summary="Register a provider",
    openapi_extra=_DOCUMENT,
    responses=answers(PROVIDER, InvalidProvider, Conflict, status=201),
)
async def register(hub: TheHub, actor: TheActor, document: TheDocument) -> Provider:
    """A custom provider of this organization, from its document. Without an id, one is made of the name."""
    return await hub.providers.register(actor, document)


@router.post(
    "/v1/providers/validate",
    summary="Validate a document",
    openapi_extra=_DOCUMENT,
    responses=answers(
        {
            "valid": False,
            "errors": [
                {
                    "path": "/oauth2/tokenUrl",
                    "code": "required",
                    "message": "An OAuth 2 method needs a token URL.",
                    "hint": "Add tokenUrl.",
                    "severity": "error",
                }
            ],
        }
    ),
)
async def validate(hub: TheHub, actor: TheActor, request: Request) -> Validation:
    """Every fault and warning of the document at once, each with path, message, hint and severity. Stores nothing."""
    actor.require("providers:read")
    try:
        faults = await hub.providers.validate(actor, await _document(request))
    except InvalidProvider as unreadable:
        faults = unreadable.errors
    return Validation(valid=not any(fault.severity == "error" for fault in faults), errors=faults)


@router.get("/v1/providers/{providerId}", summary="Read a provider", responses=answers(PROVIDER, NotFound))
async def get(hub: TheHub, actor: TheActor, provider: ProviderId, version: Version = None) -> Provider:
    """The provider with the document that its author wrote, at its newest or at the given version."""
    return await hub.providers.get(actor, provider, version=version)


@router.put(
    "/v1/providers/{providerId}",
    summary="Publish a version",
    openapi_extra=_DOCUMENT,
    responses=answers(PROVIDER, InvalidProvider, NotFound, Conflict),
)
async def publish(hub: TheHub, actor: TheActor, provider: ProviderId, document: TheDocument) -> Provider:
    """A new version. Without a number, it is bumped: major for security, minor for behaviour, patch for looks."""
    return await hub.providers.publish(actor, provider, document)


@router.patch(
    "/v1/providers/{providerId}",
    summary="Edit how a provider looks",
    openapi_extra=_PATCH,
    responses=answers(PROVIDER, InvalidProvider, NotFound, Conflict),
)
async def edit(hub: TheHub, actor: TheActor, provider: ProviderId, patch: TheDocument) -> Provider:
    """A JSON merge patch (RFC 7396) of what is cosmetic; anything more is refused, and needs PUT."""
    return await hub.providers.edit(actor, provider, patch)


@router.delete(
    "/v1/providers/{providerId}",
    status_code=204,
    summary="Retire a provider",
    responses=answers(None, NotFound, Conflict, status=204),
)
async def retire(
    hub: TheHub,
    actor: TheActor,
    provider: ProviderId,
    force: Annotated[bool, Query(description="Also while connections use it; they keep working.")] = False,
) -> None:
    """Takes it out of the catalogue. Refused while connections use it, unless forced."""
    await hub.providers.retire(actor, provider, force=force)


@router.get(
    "/v1/providers/{providerId}/versions",
    summary="List the versions of a provider",
    responses=answers(
        page(
            {
                "version": "1.0.0",
                "channel": "stable",
                "change": "none",
                "digest": "9f86d081...",
                "securityDigest": "60303ae2...",
                "publishedAt": NOW,
            }
        ),
        NotFound,
    ),
)
async def versions(hub: TheHub, actor: TheActor, provider: ProviderId) -> Page[ProviderVersion]:
    """Newest first, each with what kind of change it was: security, behaviour, cosmetic or none."""
    return await hub.providers.versions(actor, provider)


@router.get(
    "/v1/providers/{providerId}/export",
    summary="Export a document",
    response_class=Response,
    responses=answers(DOCUMENT, NotFound),
)
async def export(
    hub: TheHub, actor: TheActor, provider: ProviderId, request: Request, version: Version = None
) -> Response:
    """The document as its author wrote it; YAML with `Accept: application/yaml`, else JSON."""
    document = (await hub.providers.get(actor, provider, version=version)).document
    accepted = {each.partition(";")[0].strip() for each in request.headers.get("accept", "").lower().split(",")}
    if accepted & _YAML:
        text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
        return Response(text, media_type="application/yaml", headers={"Vary": "Accept"})
    return JSONResponse(dict(document), headers={"Vary": "Accept"})


@router.get(
    "/v1/templates", summary="List templates", responses=answers(page({**PROVIDER_SUMMARY, "isTemplate": True}))
)
async def templates(hub: TheHub, actor: TheActor, limit: Limit = 50, cursor: Cursor = None) -> Page[ProviderSummary]:
    """What a provider can be made from."""
    return await hub.providers.templates(actor, limit=limit, cursor=cursor)


@router.post(
    "/v1/templates/{providerId}/instantiate",
    status_code=201,
    summary="Make a provider from a template",
    openapi_extra=body({"name": "Our API", "params": {"baseUrl": "https://api.our.example"}}),
    responses=answers(PROVIDER, InvalidProvider, NotFound, Conflict, status=201),
)
async def instantiate(hub: TheHub, actor: TheActor, provider: ProviderId, wanted: Instantiate) -> Provider:
    """A custom provider that extends the template."""
    return await hub.providers.instantiate(actor, provider, **wanted.given())
