"""Settings: environment (`TIELINE_...`, each also as `..._FILE`), then `tieline.toml`, then the defaults here.

Units stand in each description. The reference page is generated from this table.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

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
    """Flags override the environment, which overrides the file. Unknown names are refused: a typo must not pass."""
    environment = os.environ if environment is None else environment
    known = {item.name for item in fields(Settings)}
    values: dict[str, str] = {}
    path = file or Path("tieline.toml")
    if path.is_file():
        values.update({key: str(value) for key, value in tomllib.loads(path.read_text()).items()})
    if unknown := sorted(set(values) - known):
        raise Misconfigured(f"{path} has settings that Tieline does not know: {', '.join(unknown)}.")
    for name in known:
        variable = f"TIELINE_{name.upper()}"
        if variable in environment:
            values[name] = environment[variable]
        elif f"{variable}_FILE" in environment:
            values[name] = Path(environment[f"{variable}_FILE"]).read_text().strip()
    values.update({name: value for name, value in flags.items() if value is not None})
    if not values.get("port", "8400").isdigit():
        raise Misconfigured("TIELINE_PORT must be a number.")
    return Settings(**values)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
