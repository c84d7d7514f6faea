"""The typed variables of a document: who gives each, what it must look like, whether it is kept and secret."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tieline.manifest.model.shapes import Alt, Many, Model, Name, Scalar, standing_for

From = Literal["user", "admin", "adminOrUser", "flow", "computed", "template"]
InputType = Literal[
    "string", "text", "number", "boolean", "choice", "url", "hostname", "email", "uuid", "pem", "json", "list"
]
Normal = Literal["trim", "lowercase", "uppercase", "stripScheme", "stripTrailingSlash", "stripPath", "pem"]


class Option(Model):
    value: Scalar
    label: str | None = None
    warning: str | None = None
    set: dict[str, Scalar] = Field(default_factory=dict[str, Scalar], description="variables this choice sets")


class VisibleWhen(Model):
    input: Name
    equals: Scalar


class Input(Model):
    from_: From = Field(
        default="user",
        description="who gives it: the connecting user; the admin of the integration; either (an admin's value hides "
        "the question); the flow itself (captured); a formula; the author of an extending document",
    )
    type: InputType = "string"
    label: str | None = None
    help: str | None = None
    help_anchor: str | None = Field(default=None, description="#anchor in links.connectGuide")
    example: Scalar | None = None
    default: Scalar | None = None
    required: bool = True
    secret: bool = Field(default=False, description="encrypted at rest, never returned, never logged")
    store: bool = Field(default=True, description="false: used once to acquire, then forgotten")
    hidden: bool = False
    order: float | None = None
    pattern: str | None = Field(
        default=None, max_length=500, description="RE2 regular expression the normalised value must match"
    )
    pattern_message: str | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    options: Many[
        Annotated[Option, BeforeValidator(standing_for("value"), json_schema_input_type=str | float | Option)]
    ] = ()
    value: Alt | None = Field(default=None, description="formula of a computed input")
    prefix: str | None = Field(default=None, description="shown before the box; stripped from what is typed")
    suffix: str | None = Field(default=None, description="shown after the box; stripped from what is typed")
    normalize: Many[Normal] = ()
    visible_when: VisibleWhen | None = None
