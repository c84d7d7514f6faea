from tieline.connections.access import Access
from tieline.connections.forms import asked, form_fields, known_values, split, typed_values, variant_field, variants_of
from tieline.errors import Fault
from tieline.integrations.registration import Registration
from tieline.manifest.resolve import load, resolve

INPUTS = {
    "apiKey": {"secret": True, "label": "API key", "order": 2, "help": "In your profile."},
    "subdomain": {"suffix": ".acme.example", "prefix": "https://", "order": 1, "example": "ada"},
    "region": {"type": "choice", "options": [{"value": "eu", "label": "Europe"}, {"value": 2}], "default": "eu"},
    "account": {"from": "adminOrUser", "required": False},
    "sharedKey": {"from": "adminOrUser", "secret": True, "required": False},
    "developerToken": {"from": "admin", "secret": True},
    "tenant": {"from": "flow", "required": False},
    "quiet": {"hidden": True, "default": "q"},
}


DOCUMENT = {
    "id": "acme",
    "name": "Acme",
    "authType": "api_key",
    "inputs": INPUTS,
    "apply": {"headers": {"X-Key": "{{ apiKey }}"}},
    "api": {"baseUrl": "https://{{ subdomain }}.acme.example"},
}


def _access(**registration):
    used = Registration("int_1", "own", True, None, None, **{"inputs": {}, **registration})
    return Access(load(resolve(DOCUMENT)), "default", used)


def _names(access, **given):
    return [field.name for field in form_fields(access, {}, {}, known=given)]


def test_a_user_is_asked_for_what_is_the_users_to_give_in_the_documents_order():
    assert _names(_access()) == ["subdomain", "apiKey", "region", "account", "sharedKey"]


def test_what_the_admin_gave_hides_the_question_secret_or_not():
    access = _access(inputs={"account": "a1"}, secret_inputs={"sharedKey": "s1"})

    assert {"account", "sharedKey"}.isdisjoint(asked(access))
    assert _names(access) == ["subdomain", "apiKey", "region"]


def test_what_the_application_gave_is_not_asked_again():
    assert "subdomain" not in _names(_access(), subdomain="ada")


def test_secret_values_are_told_apart_from_plain_ones():
    values = {"apiKey": "k1", "subdomain": "ada", "sharedKey": "s1"}

    assert split(_access(), values) == ({"subdomain": "ada"}, {"apiKey": "k1", "sharedKey": "s1"})


def test_a_field_says_what_the_document_says():
    fields = {field.name: field for field in form_fields(_access(), {}, {}, known={})}

    subdomain, region = fields["subdomain"], fields["region"]
    assert (subdomain.prefix, subdomain.suffix, subdomain.example) == ("https://", ".acme.example", "ada")
    assert (region.value, region.options) == ("eu", (("eu", "Europe"), ("2", "2")))
    assert (fields["apiKey"].label, fields["apiKey"].help, fields["apiKey"].secret) == (
        "API key",
        "In your profile.",
        True,
    )
    assert (fields["apiKey"].required, fields["account"].required) == (True, False)


def test_what_was_typed_stands_in_the_form_again_but_a_secret_never_does():
    errors = {"/inputs/apiKey": Fault("/inputs/apiKey", "unfit", "Too short.", "Copy it whole.")}

    fields = form_fields(_access(), {"apiKey": "canary", "subdomain": "ada"}, errors, known={})

    assert "canary" not in repr(fields)
    assert {field.name: field.value for field in fields}["subdomain"] == "ada"
    assert {field.name: field.error for field in fields}["apiKey"] == "Too short."


def test_what_is_typed_is_read_by_the_fields_that_were_asked_and_no_others():
    typed = {"apiKey": "k1", "tenant": "evil", "developerToken": "evil", "nonsense": "x", "subdomain": "evil"}

    assert typed_values(_access(), typed, {"subdomain": "given"}) == {"apiKey": "k1"}


VARIANTS = [{"id": "eu", "label": "Europe", "set": {"region": "eu"}}]


def test_what_a_variant_sets_is_not_asked_and_what_the_application_gave_counts_more():
    access = _access()
    chosen = Access(load(resolve({**DOCUMENT, "variants": VARIANTS})), "default", access.registration, variant="eu")

    assert known_values(chosen, {}) == {"region": "eu"}
    assert known_values(chosen, {"region": 2}) == {"region": 2}
    assert known_values(access, {}) == {}


def test_a_variant_is_chosen_unless_it_is_fixed():
    manifest = load(resolve({**DOCUMENT, "variants": VARIANTS}))

    assert variants_of(manifest, "eu") == ("eu",)
    assert variants_of(manifest, None) == (None, "eu")
    (field,) = variant_field(manifest, (None, "eu"), "eu", {})
    assert (field.value, field.required, field.options) == ("eu", False, (("", "Standard"), ("eu", "Europe")))
    assert variant_field(manifest, ("eu",), None, {}) == ()
