"""Settings: environment (`TIELINE_...`, each also as `..._FILE`), then `tieline.toml`, then the defaults here.

Units stand in each description. The reference page is generated from this table.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import cast

from tieline.errors import Misconfigured
from tieline.secret import Secret


def _setting(default: object, help: str) -> str:  # noqa: A002
    return field(default=default, metadata={"help": help})  # pyright: ignore[reportReturnType, reportArgumentType]


@dataclass(frozen=True)
class Settings:
    """Text as it was given; the properties give it meaning."""

    data: str = _setting("./tieline-data", "Folder of the embedded database and its key file.")
    database_url: str = _setting("", "`postgresql://...` or `sqlite:///file`; empty: SQLite in the data folder.")
    public_url: str = _setting("", "The address users reach, `https://connect.example.com`; empty: host and port.")
    keys: str = _setting("", "Key ring `id:base64,...`, first one seals; required with any other database.")
    egress_allow: str = _setting("", "Networks and hosts beyond public addresses, comma-separated: `127.0.0.0/8`.")
    trusted_proxies: str = _setting("", "Networks of proxies in front, whose X-Forwarded-For is believed.")
    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: str = _setting("8400", "Port to listen on.")
    log_level: str = _setting("info", "debug, info, warning or error.")

    @property
    def data_folder(self) -> Path:
        return Path(self.data).expanduser()

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a SQLite file of this process."""
        return not self.database_url or self.database_url.startswith("sqlite")

    @property
    def key_file(self) -> Path:
        """Where an embedded database keeps its key: in the data folder, or beside the SQLite file."""
        if self.database_url:
            return Path(self.database_url.partition(":///")[2] + ".keys")
        return self.data_folder / "keys"

    @property
    def database(self) -> str:
        """The database's address: the embedded one stands in the data folder."""
        return self.database_url or f"sqlite:///{self.data_folder / 'tieline.db'}"

    @property
    def url(self) -> str:
        """The public base address, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def key_ring(self) -> Secret:
        return Secret(self.keys)

    @property
    def allowed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(network for item in self._allowed() if (network := _network(item)))

    @property
    def allowed_hosts(self) -> frozenset[str]:
        return frozenset(item.lower() for item in self._allowed() if _network(item) is None)

    def _allowed(self) -> list[str]:
        return [item.strip() for item in self.egress_allow.split(",") if item.strip()]

    def __repr__(self) -> str:
        return f"Settings(data={self.data!r}, host={self.host!r}, port={self.port!r})"


def load_settings(
    environment: Mapping[str, str] | None = None, /, *, file: Path | None = None, **flags: str | None
) -> Settings:
    """Flags override the environment, which overrides the file. A name in the file that is none is refused.

    Other `TIELINE_...` variables may be somebody else's. Raises Misconfigured.
    """
    environment = os.environ if environment is None else environment
    known = {item.name for item in fields(Settings)}
    values: dict[str, str] = {}
    path = file or Path("tieline.toml")
    if path.is_file():
        values.update({key: _text(value) for key, value in _read_toml(path).items()})
    if unknown := sorted(set(values) - known):
        raise Misconfigured(f"{path} has settings that Tieline does not know: {', '.join(unknown)}.")
    for name in known:
        variable = f"TIELINE_{name.upper()}"
        if variable in environment:
            values[name] = environment[variable]
        elif f"{variable}_FILE" in environment:
            values[name] = _content(f"{variable}_FILE", environment[f"{variable}_FILE"])
    values.update({name: value for name, value in flags.items() if value is not None})
    if not re.fullmatch("[0-9]{1,5}", values.get("port", "0")) or int(values.get("port", "0")) > 65535:
        raise Misconfigured("TIELINE_PORT must be a number from 0 to 65535.")
    return Settings(**values)


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read as TOML: {error}.") from error


def _text(value: object) -> str:
    """A list means what commas mean in the environment."""
    return ",".join(str(item) for item in cast("list[object]", value)) if isinstance(value, list) else str(value)


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        # The file may hold a secret, and what is wrong with its bytes may too.
        raise Misconfigured(f"The file that {variable} names cannot be read.") from error


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
