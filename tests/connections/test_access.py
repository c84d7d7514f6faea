import pytest

from tieline.connections.access import Access
from tieline.connections.grant import Grant
from tieline.errors import NotConfigured
from tieline.integrations.registration import Registration
from tieline.manifest.origins import Origins, OriginSet, origins_of
from tieline.manifest.resolve import load, resolve
from tieline.secret import Secret

OAUTH2 = {
    "authUrl": "https://auth.crm.example/authorize",
    "tokenUrl": "https://auth.crm.example/token",
    "scopes": ["read"],
}
SEEN = Origins({"token": OriginSet.of("https://auth.crm.example"), "api": OriginSet.of("https://api.crm.example")})


def _access(registration=None, *, grant=None, variant=None, inputs=None, origins=None, **document):
    document = {
        "id": "crm",
        "name": "CRM",
        "authType": "oauth2",
        "oauth2": OAUTH2,
        "api": {"baseUrl": "https://api.crm.example/v1"},
        **document,
    }
    manifest = load(resolve(document))
    used = registration or _registration()
    return Access(manifest, "default", used, variant, inputs or {}, grant or Grant(), origins)


def _registration(**more):
    fields = {
        "integration_id": "int_1",
        "source": "own",
        "enabled": True,
        "scopes": None,
        "pinned_version": None,
        "inputs": {},
        "client_id": "c1",
        "client_secret": Secret("s1"),
        "origins": SEEN,
    }
    return Registration(**{**fields, **more})


def test_the_clients_secret_goes_where_its_admin_saw_it_go():
    setting = _access().client_setting("token")

    assert setting.to == OriginSet.of("https://auth.crm.example")
    assert setting.values["client"] == {"id": "c1", "secret": "s1"}


def test_where_the_token_url_has_moved_the_clients_secret_goes_nowhere():
    moved = _access(oauth2={**OAUTH2, "tokenUrl": "https://evil.example/token"})

    assert moved.client_setting("token").to == OriginSet()


def test_the_clients_secret_is_no_variable_of_a_call_that_may_go_elsewhere():
    assert _access().setting("api").values["client"]["secret"] == "s1"
    assert _access(api={"baseUrl": "https://evil.example"}).setting("api").values["client"]["secret"] is None
    assert _access(api={"baseUrl": "https://evil.example"}).values()["client"] == {"id": "c1", "secret": None}


def test_a_formula_over_a_secret_has_no_value_where_the_secret_has_none():
    inputs = {"pair": {"from": "computed", "value": "{{ client.id ~ ':' ~ client.secret }}", "required": False}}

    here = _document_with(inputs)
    there = _document_with(inputs, api={"baseUrl": "https://evil.example"})
    assert here.setting("api").values["pair"] == "c1:s1"
    assert there.setting("api").values.get("pair") is None


def _document_with(inputs, **more):
    document = {
        "id": "crm",
        "name": "CRM",
        "authType": "oauth2",
        "oauth2": OAUTH2,
        "inputs": inputs,
        "api": {"baseUrl": "https://api.crm.example/v1"},
        **more,
    }
    return Access(load(resolve(document)), "default", _registration())


def test_secret_admin_inputs_go_where_their_admin_saw_them_go():
    inputs = {"developerToken": {"from": "admin", "secret": True}}
    here = _document_with(inputs)
    there = _document_with(inputs, api={"baseUrl": "https://evil.example"})
    used = _registration(
        secret_inputs={"developerToken": "d1"},
        input_origins=Origins({"inputs": OriginSet.of("https://api.crm.example")}),
    )
    here, there = (Access(each.manifest, "default", used) for each in (here, there))

    assert here.setting("api").values["developerToken"] == "d1"
    assert "developerToken" not in there.setting("api").values
    assert "developerToken" not in here.values()


def test_stored_consent_is_where_an_account_goes_whatever_the_document_says():
    access = _access(origins=SEEN, api={"baseUrl": "https://evil.example"})

    assert access.reach("api") == OriginSet.of("https://api.crm.example")
    assert access.reach("nothing") == OriginSet()


def test_the_literal_host_of_a_request_is_for_requests_of_that_use_alone():
    check = {"requests": [{"url": "https://status.crm.example/me"}]}
    access = _access(check=check)

    assert access.reach("check").allows("https://status.crm.example/me")
    assert not access.reach("api").allows("https://status.crm.example/me")
    assert not access.client_setting("token").to.allows("https://status.crm.example/me")


def test_a_user_may_bring_the_client_and_then_no_admins_origins_hold():
    document = {**OAUTH2, "clientFrom": "user"}
    access = _access(oauth2=document, inputs={"clientId": "mine"}, grant=Grant(values={"clientSecret": "m1"}))

    assert access.users_client
    assert list(access.declared)[:2] == ["clientId", "clientSecret"]
    assert access.client_setting("token").values["client"] == {"id": "mine", "secret": "m1"}
    access.require_client()


def test_an_admins_client_comes_before_the_users_where_either_may_give_it():
    document = {**OAUTH2, "clientFrom": "either"}

    assert not _access(oauth2=document).users_client
    nothing = Registration("int_1", "none", True, None, None, {})
    assert _access(nothing, oauth2=document).users_client


@pytest.mark.parametrize(
    ("client", "auth", "complains"),
    [
        ({"client_id": None, "client_secret": None}, "client_secret_post", True),
        ({"client_id": "c", "client_secret": None}, "client_secret_post", True),
        ({"client_id": "c", "client_secret": None}, "none", False),
        ({"client_id": "c", "client_secret": Secret("s")}, "client_secret_basic", False),
    ],
)
def test_a_client_that_is_not_set_up_is_said_before_anybody_is_sent_away(client, auth, complains):
    access = _access(_registration(**client), oauth2={**OAUTH2, "clientAuth": auth})

    if complains:
        with pytest.raises(NotConfigured):
            access.require_client()
    else:
        access.require_client()


def test_a_captured_value_never_overwrites_what_somebody_typed():
    inputs = {
        "site": {"from": "user"},
        "region": {"from": "admin"},
        "tenant": {"from": "flow", "required": False},
        "later": {"from": "user", "required": False},
    }
    used = _registration(inputs={"region": "eu"})
    access = Access(_document_with(inputs).manifest, "default", used, inputs={"site": "typed"})

    captured = access.with_captured(
        {"site": "evil", "region": "evil", "tenant": "t1", "later": "l1", "accessToken": "a"}
    )

    assert captured.grant.values == {"tenant": "t1", "later": "l1"}
    assert captured.values()["site"] == "typed"
    assert captured.values()["region"] == "eu"


CATALOG = [
    {"value": "must", "required": True},
    {"value": "usual", "default": True},
    {"value": "rare"},
    {"value": "user.read", "token": "user"},
]


def test_scopes_are_those_of_the_session_else_the_integration_else_the_document_and_always_the_required_ones():
    access = _access(scopeCatalog=CATALOG)
    chosen = _access(_registration(scopes=("rare",)), scopeCatalog=CATALOG)

    assert access.scopes(None) == ("read", "usual", "must")
    assert chosen.scopes(None) == ("rare", "must")
    assert chosen.scopes(("usual",)) == ("usual", "must")
    assert chosen.scopes(()) == ("must",)


def test_scopes_of_named_tokens_stand_apart():
    oauth = _access(scopeCatalog=CATALOG).oauth(("read", "user.read", "rare"), state="s")

    assert oauth == {
        "scopes": ["read", "rare"],
        "scope": "read rare",
        "scopesFor": {"user": ["user.read"]},
        "state": "s",
    }


def test_an_account_does_not_show_what_it_holds():
    used = _registration(inputs={"a": "canary"}, secret_inputs={"b": "canary"}, client_secret=Secret("canary"))
    access = _access(used, inputs={"c": "canary"}, grant=Grant(access_token=Secret("canary"), values={"d": "canary"}))

    assert "canary" not in repr(access) + repr(access.setting("api")) + repr(access.client_setting("token"))


def test_computed_origins_are_what_consent_stores():
    access = _access()

    assert access.computed_origins().text == origins_of(access.manifest, access.method, {}).text
    assert Origins.parse(access.computed_origins().text) == access.computed_origins()
