"""What lists and searches read of a document, as columns of its provider's row."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tieline.manifest import Provider


def columns(resolved: Mapping[str, Any]) -> dict[str, object]:
    """`resolved` is the normal form."""
    manifest = Provider.model_validate(resolved)
    return {
        "name": manifest.name or manifest.id or "",
        "description": manifest.description or "",
        "category": manifest.categories[0] if manifest.categories else "custom",
        "auth_type": next((method.type for method in manifest.auth.values() if method.type), "none"),
        "is_template": manifest.is_template,
        "status": manifest.status,
        "replaced_by": manifest.replaced_by,
        "logo_url": manifest.logo_url,
        "documentation": manifest.documentation,
        "updated_at": datetime.now(UTC),
    }
