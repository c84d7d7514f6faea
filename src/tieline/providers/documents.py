"""Versions as manifests, loaded once: a published version never changes, so what is kept is never stale."""

from collections import OrderedDict
from typing import Any

from sqlalchemy import Connection, Row

from tieline.manifest import Provider
from tieline.manifest.resolve import load, with_variant
from tieline.providers import rows


class Documents:
    """Keeps the manifests used last, so that a large catalogue costs memory only for what is used."""

    def __init__(self, *, keep: int = 512) -> None:
        self._keep = keep
        self._loaded: OrderedDict[tuple[str, str, str], Provider] = OrderedDict()

    def load(self, connection: Connection, provider_id: str, version: str, variant: str | None = None) -> Provider:
        """As `of`, but reads the row only when the manifest is not kept. Raises NotFound too."""
        kept = self.kept(provider_id, version, variant)
        return kept or self.of(rows.version_row(connection, provider_id, version), variant)

    def kept(self, provider_id: str, version: str, variant: str | None = None) -> Provider | None:
        """None when it must be read first."""
        return self._loaded.get((provider_id, version, variant or ""))

    def of(self, version: Row[Any], variant: str | None = None) -> Provider:
        """The manifest of a row of `provider_versions`, patched by the variant. KeyError when it has none such."""
        key = (version.provider_id, version.version, variant or "")
        if key not in self._loaded:
            self._loaded[key] = load(with_variant(version.resolved, variant) if variant else version.resolved)
            if len(self._loaded) > self._keep:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]
