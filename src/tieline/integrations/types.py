"""What an integration looks like from outside: never a client secret, only whether one is set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tieline.secret import Secret
from tieline.shapes import Shape


class Setup(Shape):
    """Where an admin registers the client at the provider, and what to do there."""

    url: str | None
    steps: tuple[str, ...]


class Client(Shape):
    """One registration at the provider: of one auth method, in one variant."""

    auth_method: str
    variant: str | None
    client_id: str | None
    client_secret_set: bool
    redirect_uri: str


class Integration(Shape):
    """An organization's registration at a provider, or the platform's that it inherits.

    `enabled` false means that nobody can connect anew; connections that exist go on. `fields` is a JSON Schema of the
    admin's inputs; `redirect_uri` is to be entered at the provider, and stays.
    """

    provider: str
    configured: bool
    enabled: bool
    source: Literal["none", "platform", "own"]
    client_id: str | None
    client_secret_set: bool
    redirect_uri: str
    scopes: tuple[str, ...] | None
    clients: Mapping[str, Client]
    admin_inputs: Mapping[str, object]
    secret_inputs_set: tuple[str, ...]
    fields: Mapping[str, object]
    setup: Setup
    overlay: Mapping[str, object]
    channel: str
    pinned_version: str | None


@dataclass(frozen=True)
class ClientSettings:
    """One client as an admin gives it; a part that is None stays as it is."""

    client_id: str | None = None
    client_secret: Secret | str | None = field(default=None, repr=False)
