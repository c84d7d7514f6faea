"""Canaille with one person and one client, in memory. Runs in a process of its own: see `authorization_servers`."""

import datetime
import logging

from canaille import create_app
from canaille.app import models
from canaille.backends.memory.backend import MemoryBackend
from site_process import Plan, serve_wsgi

SCOPES = ["openid", "profile", "email"]


def application(plan: Plan):
    logging.disable()
    backend = MemoryBackend(config(plan))
    app = create_app(config=config(plan), backend=backend)
    with app.app_context():
        fill(backend, plan)
    return app


def config(plan: Plan) -> dict[str, object]:
    return {
        "SECRET_KEY": plan.secret,
        "SERVER_NAME": plan.netloc,
        "PREFERRED_URL_SCHEME": "http",
        "TESTING": True,
        "CANAILLE": {
            "DATABASE": "memory",
            "JAVASCRIPT": False,
            "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc", "edit_self"]}},
        },
        "CANAILLE_OIDC": {"REQUIRE_NONCE": False, "TRUSTED_DOMAINS": []},
    }


def fill(backend: MemoryBackend, plan: Plan) -> None:
    person = models.User(
        formatted_name=plan.person_name,
        family_name=plan.person_name.split()[-1],
        user_name=plan.user_name,
        emails=[plan.email],
        password=plan.password,
    )
    backend.save(person)
    client = models.Client(
        client_id=plan.client_id,
        client_secret=plan.client_secret,
        client_id_issued_at=datetime.datetime.now(datetime.UTC),
        client_name="Tieline",
        client_uri="https://tieline.example",
        redirect_uris=[plan.redirect_uri],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=SCOPES,
        token_endpoint_auth_method=plan.client_auth,
    )
    client.audience = [client]
    backend.save(client)


if __name__ == "__main__":
    serve_wsgi(application)
