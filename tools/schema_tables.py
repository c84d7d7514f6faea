"""A JSON Schema as Markdown: a table per object, in the order in which they are first mentioned."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pages import table

Schema = Mapping[str, Any]


def schema_tables(schema: Schema, *, named: Mapping[str, str]) -> list[str]:
    """`named`: description of a value shape -> its name, for shapes that stand inline in a pydantic schema."""
    definitions: Mapping[str, Schema] = schema.get("$defs", {})
    sections = [_fields(schema, named)]
    for name in _mentioned(schema, definitions):
        if "properties" in definitions[name]:
            sections += [f"## {name}", *_prose(definitions[name]), _fields(definitions[name], named)]
    return sections


def _prose(schema: Schema) -> list[str]:
    return [" ".join(str(schema["description"]).split())] if "description" in schema else []


def _fields(schema: Schema, named: Mapping[str, str]) -> str:
    required: list[str] = schema.get("required", [])
    properties: Mapping[str, Schema] = schema["properties"]
    rows = [
        (f"`{key}`", _type(field, named), "required" if key in required else _default(field), _meaning(field, named))
        for key, field in properties.items()
    ]
    return table(("field", "type", "default", "meaning"), rows)


def _type(schema: Schema, named: Mapping[str, str]) -> str:
    if name := named.get(str(schema.get("description", ""))):
        return f"[{name}](#value-shapes)"
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rsplit("/", 1)[1]
            return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
        case {"const": value}:
            return f"`{value}`"
        case {"enum": [*values]}:
            return "one of " + ", ".join(f"`{value}`" for value in values)
        case {"anyOf": [*options]} | {"oneOf": [*options]}:
            types = [_type(option, named) for option in options]
            return " or ".join(dict.fromkeys(name for name in types if name != "null"))
        case {"type": "array", "items": items}:
            return "list of " + _type(items, named)
        case {"type": "object", "patternProperties": values}:
            return "map of " + " or ".join(_type(value, named) for value in values.values())
        case {"type": "object", "additionalProperties": {**values}}:
            return "map of " + _type(values, named)
        case {"type": str(name)}:
            return name
        case _:
            return "any JSON"


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value in (None, [], {}, "") else f"`{json.dumps(value)}`"


def _meaning(schema: Schema, named: Mapping[str, str]) -> str:
    """A shape's own description stands in the list of shapes, once."""
    text = str(schema.get("description", ""))
    return "" if text in named else text


def _mentioned(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    found: list[str] = []
    waiting = list(_references(schema.get("properties")))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += _references(definitions[name])
    return found


def _references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference.rsplit("/", 1)[1]
        case {**members}:
            for member in members.values():
                yield from _references(member)
        case [*members]:
            for member in members:
                yield from _references(member)
        case _:
            return
