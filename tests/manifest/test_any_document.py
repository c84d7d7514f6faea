"""Whatever a document holds, it has faults or a normal form: nothing else comes out, and the two never disagree."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tieline.errors import InvalidProvider
from tieline.manifest import load, resolve
from tieline.manifest.origins import client_origins_of, origins_of
from tieline.manifest.support import not_yet
from tieline.manifest.validate import find_faults

from .documents import EXAMPLES, SCHEMES, SEED, base

ALL = [
    *EXAMPLES.values(),
    SEED["custom"],
    *({"name": row["provider"], "authType": "webhook", "webhooks": row["webhooks"]} for row in SCHEMES),
]

words = st.sampled_from(
    [
        "",
        "x",
        "{{ x }}",
        "{{ body }}",
        "{{",
        "{{ x | y }}",
        "https://a.example",
        "http://a",
        "/p",
        "*",
        "oauth2",
        "acme",
    ]
)
scalars = st.none() | st.booleans() | st.integers(-1, 3) | st.just(2.5) | words
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2))


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, member in members:
        yield (*at, key)
        yield from places(member, (*at, key))


KEYS = sorted({key for document in ALL for at in places(document) for key in at if isinstance(key, str)})


@st.composite
def changed_documents(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(draw(st.sampled_from(ALL)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(list(places(document)) or [("name",)]))
        parent = document
        for step in at[:-1]:
            parent = parent[step]
        if isinstance(parent, dict) and draw(st.booleans()):
            parent[draw(st.sampled_from(KEYS))] = draw(values)
        else:
            parent[at[-1]] = draw(values)
    return document


@settings(max_examples=200, deadline=None)
@given(changed_documents())
def test_a_document_without_errors_resolves_to_what_resolves_to_itself(document: dict[str, Any]):
    sound = not [fault for fault in find_faults(document, base=base) if fault.severity == "error"]
    try:
        normal = resolve(document, base=base)
    except InvalidProvider:
        assert not sound
        return

    assert resolve(normal, base=base) == normal
    provider = load(normal)
    for name, method in provider.auth.items():
        not_yet(provider, name)
        origins_of(provider, method, {})
        client_origins_of(provider, method, {})
