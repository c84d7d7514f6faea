"""The hub and the practice provider of the connections' tests."""

from ..connections.conftest import (  # noqa: F401, TID252  # no package
    base,
    database_kind,
    migrated_file,
    migrated_template,
    open_hub,
    practice,
    world,
)
