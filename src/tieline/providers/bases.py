"""The documents that another one extends, looked up for an actor while a transaction is open."""

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from tieline.actor import Actor
from tieline.manifest.resolve import merged
from tieline.providers import rows
from tieline.providers.rules import best, split_reference


class Bases:
    """`bases("rest-api-bearer@^1")` is that document's lifted and merged form; KeyError when there is none.

    `used` remembers the exact version that each reference meant: a version of a document keeps it, so nothing floats.
    """

    def __init__(self, connection: Connection, actor: Actor, *, own: str | None = None) -> None:
        self._connection = connection
        self._actor = actor
        self._own = own
        self.used: dict[str, str] = {}

    def __call__(self, reference: str) -> dict[str, Any]:
        slug, wanted = split_reference(reference)
        row = rows.find(self._connection, self._actor, slug)
        if row is None or row.id == self._own or not self._may_see(row):
            raise KeyError(reference)
        version = best(rows.versions_of(self._connection, row.id), self.used.get(reference, wanted))
        if version is None:
            raise KeyError(reference)
        self.used[reference] = version
        chosen = rows.version_row(self._connection, row.id, version)
        # What a base extends is looked up as its owner saw it: a document of the actor's never stands in for it.
        owner = replace(self._actor, organization=row.org, platform=self._platform_of(row.org))
        exact = Bases(self._connection, owner)
        exact.used.update(chosen.bases)
        return merged(json.loads(chosen.source), base=exact)

    def _may_see(self, row: Row[Any]) -> bool:
        """A key restricted to one provider sees that one, and what the instance shows to all."""
        narrowed = self._actor.restriction.provider
        return narrowed is None or row.slug == narrowed or row.org == rows.INSTANCE

    def _platform_of(self, organization: str) -> str:
        """A document is one's own, the platform's or the instance's, of which the last two stand at the root."""
        return self._actor.platform if organization == self._actor.organization else organization
