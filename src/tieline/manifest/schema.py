"""The JSON Schema of provider documents, made from the models: for editors, and for people who read it."""

from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from tieline.manifest.model import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTIFIER = "https://tieline.dev/schema/provider-1.json"


class _Untitled(GenerateJsonSchema):
    """Without the titles that only repeat a key, and without the null defaults of what is merely absent."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made


def json_schema() -> dict[str, Any]:
    """Draft 2020-12. A null stands for "absent" everywhere, because an extending document removes with it."""
    schema = Document.model_json_schema(by_alias=True, schema_generator=_Untitled, mode="validation")
    return {"$schema": DIALECT, "$id": IDENTIFIER, **_nullable(schema)}


def _nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_nullable(each) for each in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    made = {key: _nullable(value) for key, value in cast(dict[str, Any], schema).items()}
    for key, member in cast(dict[str, Any], made.get("properties") or {}).items():
        made["properties"][key] = _or_null(member)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _or_null(made["additionalProperties"])
    return made


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "null" or {"type": "null"} in schema.get("anyOf", []):
        return schema
    described = {key: schema[key] for key in ("description", "default") if key in schema}
    return {
        "anyOf": [{key: value for key, value in schema.items() if key not in described}, {"type": "null"}],
        **described,
    }
