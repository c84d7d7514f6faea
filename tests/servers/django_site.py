"""Django with django-oauth-toolkit: one person, one client, a log-in page. Runs in a process and a folder of its own:
see `authorization_servers`."""

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from site_process import Plan, serve_wsgi

SCOPES = {"read": "Read your account", "write": "Change your account"}
LOG_IN = '<title>Log in</title><form id="login" method="post">{% csrf_token %}{{ form }}<button>Log in</button></form>'


def application(plan: Plan):
    settings.configure(
        SECRET_KEY=plan.secret,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        LOGGING_CONFIG=None,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": False,
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"registration/login.html": LOG_IN}),
                        "django.template.loaders.app_directories.Loader",
                    ],
                },
            }
        ],
        LOGIN_URL="/login/",
        OAUTH2_PROVIDER={"SCOPES": SCOPES, "PKCE_REQUIRED": True},
    )
    django.setup()
    urlpatterns.extend(routes())
    call_command("migrate", verbosity=0)
    fill(plan)
    return get_wsgi_application()


urlpatterns = []


def routes() -> list[object]:
    from django.contrib.auth.views import LoginView
    from oauth2_provider.decorators import protected_resource

    def me(request: HttpRequest) -> JsonResponse:
        user = request.resource_owner
        return JsonResponse({"id": user.pk, "username": user.get_username(), "email": user.email})

    return [
        path("login/", LoginView.as_view()),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("me", protected_resource(scopes=["read"])(me)),
    ]


def fill(plan: Plan) -> None:
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    person = User.objects.create_user(plan.user_name, plan.email, plan.password)
    Application.objects.create(
        name="Tieline",
        user=person,
        client_id=plan.client_id,
        client_secret=plan.client_secret,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=plan.redirect_uri,
        skip_authorization=False,
    )


if __name__ == "__main__":
    serve_wsgi(application)
