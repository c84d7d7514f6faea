"""The published schema says what the models say."""

from tieline.manifest.schema import json_schema


def test_the_schema_is_of_the_2020_dialect_and_has_a_name():
    schema = json_schema()

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Provider manifest, v1"


def test_a_document_has_a_name_or_a_base_and_no_unknown_keys_but_extensions():
    schema = json_schema()

    assert schema["anyOf"] == [{"required": ["name"]}, {"required": ["extends"]}]
    assert schema["additionalProperties"] is False
    assert list(schema["patternProperties"]) == ["^x-"]


def test_keys_are_those_of_the_documents():
    schema = json_schema()

    assert {"authType", "apiKey", "oauth2", "extends", "params", "rateLimits", "isTemplate"} <= schema[
        "properties"
    ].keys()
    assert {"from", "visibleWhen", "normalize"} <= schema["$defs"]["Input"]["properties"].keys()
    assert {"in", "equals", "matches"} <= schema["$defs"]["Test"]["properties"].keys()


def test_descriptions_and_defaults_help_an_editor():
    schema = json_schema()

    assert schema["$defs"]["OAuth2"]["properties"]["revokeUrl"]["description"] == "RFC 7009"
    assert schema["$defs"]["OAuth2"]["properties"]["clientAuth"]["default"] == "client_secret_post"
    assert "default" not in schema["properties"]["name"]


def test_one_rule_may_stand_for_a_list_of_them():
    apply = json_schema()["properties"]["apply"]["anyOf"][0]["anyOf"]

    assert apply == [{"$ref": "#/$defs/Apply"}, {"items": {"$ref": "#/$defs/Apply"}, "type": "array"}]


def test_null_is_allowed_where_an_extension_removes():
    schema = json_schema()

    assert {"type": "null"} in schema["properties"]["webhooks"]["anyOf"]
    assert {"type": "null"} in schema["$defs"]["Webhooks"]["properties"]["verify"]["anyOf"]
