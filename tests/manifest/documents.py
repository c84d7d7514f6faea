"""The documents that the tests of this folder read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tieline.manifest import read_document

DATA = Path(__file__).parents[1] / "data"

EXAMPLES: dict[str, dict[str, Any]] = {
    path.stem: read_document(path.read_bytes(), media="json") for path in sorted((DATA / "examples").glob("*.json"))
}
SCHEMES: list[dict[str, Any]] = json.loads((DATA / "webhook_schemes.json").read_bytes())
SEED = read_document((DATA / "seed.yaml").read_bytes(), media="yaml")

OAUTH: dict[str, Any] = {
    "id": "acme",
    "name": "Acme",
    "authType": "oauth2",
    "oauth2": {"authUrl": "https://acme.example/authorize", "tokenUrl": "https://acme.example/token"},
    "api": {"baseUrl": "https://api.acme.example"},
}
KEY: dict[str, Any] = {
    "id": "acme",
    "name": "Acme",
    "authType": "api_key",
    "apiKey": {"keyPrefix": "Bearer"},
    "api": {"baseUrl": "https://api.acme.example"},
}

_BY_ID = {document["id"]: document for document in EXAMPLES.values()} | {"google-mail": OAUTH | {"id": "google-mail"}}


def base(reference: str) -> Mapping[str, Any]:
    """The examples as bases of each other."""
    return _BY_ID[reference.partition("@")[0]]
