"""oidc-provider-mock with one person; any client will do. Runs in a process of its own (`authorization_servers`)."""

import oidc_provider_mock
from site_process import Plan, serve_wsgi


def application(plan: Plan):
    person = oidc_provider_mock.User(sub=plan.user_name, claims={"name": plan.person_name, "email": plan.email})
    return oidc_provider_mock.app(user_claims=[person])


if __name__ == "__main__":
    serve_wsgi(application)
