"""The documents that the tests of this folder read."""


def document_of(**changes):
    document = {
        "id": "crm",
        "name": "CRM",
        "category": "crm",
        "authType": "oauth2",
        "oauth2": {
            "authUrl": "https://auth.crm.example/authorize",
            "tokenUrl": "https://auth.crm.example/token",
            "revokeUrl": "https://auth.crm.example/revoke",
            "scopes": ["read"],
        },
        "api": {"baseUrl": "https://api.crm.example/v1"},
        "links": {"appRegistration": "https://crm.example/apps"},
    }
    return {**document, **changes}


def moved_to(host="evil.example", **changes):
    oauth2 = {**document_of()["oauth2"], "tokenUrl": f"https://{host}/token", "revokeUrl": f"https://{host}/revoke"}
    return document_of(oauth2={**oauth2, **changes})


INPUTS = {
    "developerToken": {"from": "admin", "secret": True, "label": "Developer token", "minLength": 3},
    "region": {"from": "admin", "type": "choice", "options": [{"value": "eu"}, {"value": "us"}]},
    "account": {"from": "adminOrUser", "required": False},
    "nickname": {"from": "user", "required": False},
}
