"""Two platforms that know nothing of each other, each with two customers: who may see what is tested between them."""

from dataclasses import dataclass

from sqlalchemy import Connection

from tieline.actor import Actor
from tieline.organizations.organizations import create, platform_id


@dataclass(frozen=True)
class Tenants:
    """`platform` (slug `default`) has acme and globex, `rival` has umbrella and hooli."""

    platform: Actor
    acme: Actor
    globex: Actor
    rival: Actor
    umbrella: Actor
    hooli: Actor


def settle(connection: Connection) -> Tenants:
    """Makes them all, each with the actor of trusted code."""
    platform, rival = platform_id(connection), create(connection, "rival", parent_id="")
    tree = {"platform": (platform, platform), "rival": (rival, rival)}
    for root, customers in ((platform, ("acme", "globex")), (rival, ("umbrella", "hooli"))):
        tree |= {slug: (create(connection, slug, parent_id=root), root) for slug in customers}
    return Tenants(**{name: Actor("library", "test", own, root) for name, (own, root) in tree.items()})
