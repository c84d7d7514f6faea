"""Whatever an author writes into a template and a provider into its answer: it is soon done, and stays small."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tieline.manifest import filters, hosts, searching
from tieline.manifest.evaluation import compile_template
from tieline.manifest.model import Input, Test
from tieline.manifest.slots import render_header, render_url, render_xml, url_plan
from tieline.manifest.templates import Missing, TemplateFault, Unrenderable, passes, render_map, render_tree
from tieline.manifest.values import MAX_BYTES, MAX_TEXT

from .cases import cases, scope
from .measuring import cost_of

SECONDS = 0.05
MEMORY = 64 << 20
INPUTS = {"small": Input.model_validate({"type": "string", "from": "user"})}

WAYS: list[Callable[[str], object]] = [
    lambda text: compile_template(text).render(scope()),
    lambda text: compile_template(text).render(scope()),
    lambda text: compile_template(text).render(scope()),
    lambda text: render_url(text, scope(), inputs=INPUTS, base_url="https://b.example/v1"),
    lambda text: render_header(text, scope()),
    lambda text: render_xml(text, scope()),
    lambda text: render_map({"a": text, "b": [text, "x"]}, scope()),
    lambda text: render_tree({"a": [text, {"b": text}]}, scope()),
    lambda text: passes(Test.model_validate({"value": text, "contains": text, "matches": "(a?){50}b"}), scope()),
]


@dataclass
class Fuzzed:
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    faults: list[str] = field(default_factory=list[str])
    slowest: float = 0
    largest: int = 0


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What is loaded once and for all is no template's work."""
    hosts.registrable("a.example")
    scope()
    for name in ("sign", "keyFingerprint"):
        with pytest.raises(Unrenderable):
            filters.FILTERS[name].apply("x", *["rsa-sha256", "x"][: filters.FILTERS[name].least])


def fuzz(count: int, *, seed: int) -> Fuzzed:
    found = Fuzzed()
    for case in cases(count, seed=seed):
        seconds, memory = _cost(case.number, case.text, found.outcomes)
        # What is over was perhaps disturbed: it has two more chances.
        for _ in range(2):
            if seconds > SECONDS or memory > MEMORY:
                again = _cost(case.number, case.text, {})
                seconds, memory = min(seconds, again[0]), min(memory, again[1])
        found.slowest, found.largest = max(found.slowest, seconds), max(found.largest, memory)
        if seconds > SECONDS or memory > MEMORY:
            found.faults.append(f"{case.number}: {seconds:.3f} s, {memory >> 20} MiB: {case.text[:300]!r}")
    return found


def _cost(number: int, text: str, outcomes: dict[str, int]) -> tuple[float, int]:
    for cached in (compile_template, url_plan, searching.compiled):
        cached.cache_clear()

    def work() -> None:
        outcome = _outcome(WAYS[number % len(WAYS)], text)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    return cost_of(work)


def _outcome(render: Callable[[str], object], text: str) -> str:
    try:
        value = render(text)
    except (Missing, Unrenderable, TemplateFault) as refused:
        return type(refused).__name__
    assert not isinstance(value, str | bytes) or len(value) <= (MAX_BYTES if isinstance(value, bytes) else MAX_TEXT)
    return "value"


@pytest.mark.parametrize(
    ("count", "seed"),
    [
        (2_000, 1),
        *(pytest.param(25_000, seed, marks=[pytest.mark.slow, pytest.mark.timeout(900)]) for seed in range(2, 6)),
    ],
)
def test_no_template_takes_long_or_much(count, seed):
    found = fuzz(count, seed=seed)

    print(f"\nslowest {found.slowest * 1000:.1f} ms, largest {found.largest >> 20} MiB, {found.outcomes}")
    assert found.faults == []
    assert all(
        found.outcomes.get(each, 0) > count / 50 for each in ("value", "Missing", "Unrenderable", "TemplateFault")
    )


def searched(pattern: str) -> Callable[[str], object]:
    return lambda text: passes(Test.model_validate({"value": text, "matches": pattern}), scope())


MADE = [
    (WAYS[0], "{{ digits | replace('1', texts[0]) }}"),
    (WAYS[0], "{{ texts | join(" + " ~ ".join(["texts[0]"] * 10) + ") }}"),
    (WAYS[0], "{{ [" + ", ".join(["rawBody ~ 'x'"] * 20) + "] | first }}"),
    (WAYS[0], "{{ [" + ", ".join(["big"] * 400) + "] | sort | first }}"),
    (WAYS[0], "{{ [" + ", ".join(["body[0]"] * 400) + "] | where('b', big) }}"),
    (WAYS[0], "{{ map | keyLines([" + ", ".join(["'k1'"] * 400) + "]) }}"),
    (WAYS[0], "{{ rawBody ~ '' }}" * 100),
    (WAYS[0], "{{ 'x' | hmac('sha256', rawBody) }}" * 100),
    (WAYS[0], "{{ wide | urlencode }}"),
    (WAYS[0], "{{ document | fromJson }}"),
    (WAYS[3], "/{{ big }}" * 400),
    (WAYS[5], "{{ wide }}" * 400),
    (searched("((a?){100}){3}b"), "{{ big | slice(0, 1000000) }}"),
]


@pytest.mark.parametrize(("render", "text"), MADE, ids=[text[:40] for _, text in MADE])
def test_what_was_made_to_be_long_or_large_is_neither(render, text):
    costs = [cost_of(lambda: _outcome(render, text)) for _ in range(3)]

    assert min(seconds for seconds, _ in costs) < SECONDS
    assert min(memory for _, memory in costs) < MEMORY
