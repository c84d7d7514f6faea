"""Values that the examples of several routes share."""

from typing import Any

NOW = "2026-01-31T12:00:00Z"

DOCUMENT: dict[str, Any] = {
    "name": "My Custom API",
    "authType": "api_key",
    "apiKey": {"location": "header", "keyName": "X-Api-Key"},
    "api": {"baseUrl": "https://api.custom.example/v1"},
    "check": {"requests": [{"method": "GET", "url": "/me"}]},
}
PROVIDER_SUMMARY: dict[str, Any] = {
    "id": "my-custom-api",
    "providerId": "my-custom-api",
    "name": "My Custom API",
    "description": "",
    "category": "custom",
    "authType": "api_key",
    "version": "1.0.0",
    "status": "stable",
    "isCustom": True,
    "isPublic": False,
    "isTemplate": False,
    "source": "custom",
    "createdBy": "key_01k0example",
    "replacedBy": None,
    "logoUrl": None,
    "documentation": None,
    "createdAt": NOW,
    "updatedAt": NOW,
}
PROVIDER: dict[str, Any] = {
    **PROVIDER_SUMMARY,
    "authMethods": [{"name": "default", "type": "api_key", "label": "default", "notYet": []}],
    "connectable": True,
    "document": DOCUMENT,
}
ACCOUNT = {"id": "42", "label": "Ada Lovelace", "email": "ada@acme.example", "avatarUrl": None}
CONNECTION: dict[str, Any] = {
    "id": "conn_01k0example",
    "provider": "my-custom-api",
    "providerVersion": "1.0.0",
    "providerType": "api_key",
    "endUser": "ada",
    "accountId": "default",
    "account": ACCOUNT,
    "label": None,
    "status": "active",
    "usable": True,
    "attention": None,
    "authMethod": "default",
    "variant": None,
    "scopes": {"requested": [], "granted": [], "missing": []},
    "error": None,
    "errorCount": 0,
    "metadata": {},
    "binding": "app",
    "tokenType": None,
    "createdAt": NOW,
    "updatedAt": NOW,
    "lastSyncedAt": None,
    "lastUsedAt": None,
    "lastCheckedAt": NOW,
    "expiresAt": None,
}
SESSION: dict[str, Any] = {
    "id": "ses_01k0example",
    "provider": "my-custom-api",
    "endUser": "ada",
    "status": "open",
    "reason": None,
    "connection": None,
    "expiresAt": "2026-01-31T12:10:00Z",
}


def page(item: object, **more: object) -> dict[str, object]:
    return {"items": [item], "nextCursor": None, **more}
