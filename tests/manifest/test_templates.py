import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.manifest.templates import (
    Missing,
    TemplateFault,
    Unrenderable,
    compile_template,
    passes,
    render_alt,
    render_map,
    render_tree,
)

DATA = Path(__file__).parent.parent / "data"


def texts_in(tree: Any) -> Iterator[str]:
    match tree:
        case str():
            yield tree
        case dict():
            for each in tree.values():
                yield from texts_in(each)
        case list():
            for each in tree:
                yield from texts_in(each)
        case _:
            pass


def render(text: str, **scope: object) -> object:
    return compile_template(text).render(scope)


@pytest.mark.parametrize("path", sorted(DATA.glob("**/*.json")), ids=lambda path: path.name)
def test_every_template_of_the_known_documents_compiles(path: Path):
    for text in texts_in(json.loads(path.read_text())):
        if "{{" in text:
            assert compile_template(text).names


def test_a_whole_expression_keeps_its_type():
    assert render("{{ body.ok }}", body={"ok": False}) is False
    assert render("{{ a }}", a=[1]) == [1]
    assert render("{{ rawBody }}", rawBody=b"\xff") == b"\xff"
    assert render(" {{ a }}", a=1) == " 1"


def test_values_in_text_are_written_as_json_writes_them():
    assert render("{{ a }}/{{ b }}/{{ c }}", a=True, b=1.5, c=-2) == "true/1.5/-2"
    assert render("at {{ now }}", now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "at 2026-01-02T03:04:05Z"


def test_text_joined_with_bytes_is_exact_bytes():
    assert render("v0:{{ t }}:{{ rawBody }}", t="é", rawBody=b"\xff\x00") == "v0:é:".encode() + b"\xff\x00"
    assert render("{{ t ~ rawBody }}", t="a", rawBody=b"\xff") == b"a\xff"
    assert render("{{ rawBody }}!", rawBody=b"") == b"!"


def test_a_map_is_no_text():
    with pytest.raises(Unrenderable):
        render("a {{ body }}", body={})


@pytest.mark.parametrize(
    "scope", [{}, {"a": None}, {"a": ""}, {"a": {}}, {"a": {"b": None}}, {"a": {"b": ""}}, {"a": "x"}]
)
def test_a_variable_without_a_value_is_missing_by_its_name(scope: dict[str, object]):
    with pytest.raises(Missing) as missing:
        compile_template("x{{ a.b }}").render(scope)

    assert missing.value.name == "a.b"


def test_zero_and_false_are_values():
    assert render("{{ a }}{{ b }}", a=0, b=False) == "0false"


def test_attributes_of_objects_are_out_of_reach():
    for text in ("{{ a.__class__ }}", "{{ a['__class__'] }}", "{{ a.upper }}", "{{ a.real }}"):
        with pytest.raises(Missing):
            render(text, a="x")


def test_lists_are_read_by_number_and_maps_by_text():
    scope = {"sig": ["t", "v"], "m": {"0": "zero"}, "key": "0"}

    assert compile_template("{{ sig[0] }}{{ sig[-1] }}{{ m[0] }}{{ m[key] }}").render(scope) == "tvzerozero"
    for beyond in ("{{ sig[2] }}", "{{ sig[-3] }}", "{{ sig['0'] }}"):
        with pytest.raises(Missing):
            compile_template(beyond).render(scope)


def test_default_stands_in_for_what_is_missing_null_or_empty():
    assert render("{{ a.b | default('x') }}") == "x"
    assert render("{{ a | upper | default('x') }}") == "x"
    assert render("{{ a | match('b') | default(c) }}", a="a", c="x") == "x"
    assert render("{{ a | default(b) | default('x') }}") == "x"
    assert render("{{ a | default('x') | upper }}") == "X"
    assert render("u:{{ password | default('') }}") == "u:"


def test_an_expression_that_comes_out_empty_is_missing():
    for text in ("{{ a | trim }}", "{{ a | match('(x)') }}", "{{ scopes | join(',') }}"):
        with pytest.raises(Missing):
            render(text, a=" ", scopes=[])


def test_in_a_list_what_the_message_leaves_out_is_empty_text():
    assert render("{{ [item.a, item.b, item.c] | join(':') }}", item={"a": 1, "c": True}) == "1::true"


def test_in_a_list_a_secret_may_not_be_left_out():
    scope: dict[str, object] = {"query": {"nonce": "n"}, "webhook": {}}

    with pytest.raises(Missing) as missing:
        compile_template("{{ [webhook.secret, query.nonce] | sort | join('') }}").render(scope)

    assert missing.value.name == "webhook.secret"


def test_a_list_of_which_nothing_is_there_is_missing():
    with pytest.raises(Missing):
        render("{{ [body.first, body.last] | join(' ') }}", body={})


def test_a_missing_key_never_signs():
    with pytest.raises(Missing, match=r"webhook\.secret"):
        render("{{ body.a | hmac('sha256', webhook.secret) | hex }}", body={"a": "b"}, webhook={"secret": ""})


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("{{ a | upcase }}", 7, "no filter"),
        ("{{ a | uper }}", 7, "no filter"),
        ("{{ a | hex('x') }}", 7, "0 arguments"),
        ("{{ a | hmac('sha256') }}", 7, "2 arguments"),
        ("{{ a | slice }}", 7, "1 to 2 arguments"),
        ("{{ a | hmac('sha3', b) }}", 7, "cannot take"),
        ("{{ a | match('(?=x)') }}", 7, "cannot take"),
        ("{{ a | match('" + "x" * 201 + "') }}", 7, "cannot take"),
        ("{{ a | date('%Q') }}", 7, "cannot take"),
        ("{{ a | seconds('years') }}", 7, "cannot take"),
        ("{{ a | plus('soon') }}", 7, "cannot take"),
        ("{{ a | sign('rot13', b) }}", 7, "cannot take"),
    ],
)
def test_what_no_value_can_mend_is_found_when_compiling(text: str, position: int, words: str):
    with pytest.raises(TemplateFault, match=words) as fault:
        compile_template(text)

    assert fault.value.position == position


def test_a_misspelt_filter_comes_with_a_guess():
    with pytest.raises(TemplateFault) as fault:
        compile_template("{{ a | base46 }}")

    assert "base64" in fault.value.hint


def test_a_template_tells_its_names_filters_and_literal():
    template = compile_template("a {{ b | hmac('sha1', c.d) | hex }}")

    assert template.names == {"b", "c.d"}
    assert template.filters == {"hmac", "hex"}
    assert template.literal is None
    assert compile_template("plain").literal == "plain"
    assert compile_template("").render({}) == ""


def test_of_several_templates_the_first_with_all_its_values_is_taken():
    assert render_alt(["{{ a }}", "{{ b }}-{{ c }}", "{{ c }}"], {"c": 3}) == 3
    with pytest.raises(Missing, match="b"):
        render_alt(["{{ a }}", "{{ b }}"], {})


def test_a_map_leaves_out_what_is_missing_and_null():
    values = {
        "a": "{{ x }}",
        "b": ["{{ x }}", "{{ y }}"],
        "c": 1,
        "d": False,
        "e": None,
        "f": "",
        "g": {"h": "{{ x }}"},
    }

    assert render_map(values, {"y": 2}) == {"b": 2, "c": 1, "d": False, "f": ""}


def test_with_optional_names_only_those_may_be_missing():
    values = {"a": "{{ x.y }}", "b": "{{ z }}", "c": {"d": "{{ z }}"}}

    assert render_map(values, {"z": "1"}, optional={"x"}) == {"b": "1", "c": {"d": "1"}}
    with pytest.raises(Missing, match="z"):
        render_map({"c": {"d": ["{{ z }}"]}}, {}, optional={"x"})
    with pytest.raises(Missing, match="z"):
        render_tree({"c": "{{ z }}"}, {}, optional=())


def test_a_tree_leaves_out_members_that_come_out_empty():
    tree = {
        "a": "{{ x }}",
        "b": {"c": "{{ x }}"},
        "d": ["{{ x }}", "{{ y }}", None, 1],
        "e": {},
        "f": "",
        "g": None,
        "h": [["{{ x }}"]],
        "i": "{{ rawBody }}",
    }

    assert render_tree(tree, {"y": [2], "rawBody": b"raw"}) == {"d": [[2], None, 1], "e": {}, "f": "", "i": "raw"}


def test_a_tree_that_is_one_template_may_be_missing_and_one_that_is_a_map_may_be_empty():
    assert render_tree({"a": "{{ x }}"}, {}) == {}
    assert render_tree(7, {}) == 7
    with pytest.raises(Missing):
        render_tree("{{ x }}", {})


@dataclass
class Test:
    __test__ = False
    value: str
    equals: object = None
    in_: list[object] | None = None
    matches: str | None = None
    contains: str | None = None
    exists: bool | None = None
    model_fields_set: set[str] = field(default_factory=set[str])


def check(**members: Any) -> Test:
    return Test(**members, model_fields_set=set(members))


SCOPE: dict[str, object] = {
    "body": {"ok": False, "error": "invalid_auth", "n": 5, "list": ["a", 2], "one": 1, "empty": "", "object": {"k": 1}},
    "headers": {"remaining": "0", "flag": "true"},
    "webhook": {"verifyToken": "t"},
    "query": {"token": "t"},
    "rawBody": b"bytes",
}


@pytest.mark.parametrize(
    ("test", "passed"),
    [
        (check(value="{{ body.ok }}", equals=False), True),
        (check(value="{{ body.ok }}", equals=0), False),
        (check(value="{{ body.one }}", equals=True), False),
        (check(value="{{ body.n }}", equals=5.0), True),
        (check(value="{{ headers.remaining }}", equals=0), True),
        (check(value="{{ headers.flag }}", equals=True), True),
        (check(value="{{ body.n }}", equals="5"), True),
        (check(value="{{ body.object }}", equals="{}"), False),
        (check(value="{{ rawBody }}", equals="bytes"), True),
        (check(value="{{ body.missing }}", equals=None), True),
        (check(value="{{ body.empty }}", equals=None), True),
        (check(value="{{ body.empty }}", equals=""), True),
        (check(value="{{ body.n }}", equals=None), False),
        (check(value="{{ query.token }}", equals="{{ webhook.verifyToken }}"), True),
        (check(value="{{ query.nothing }}", equals="{{ webhook.nothing }}"), False),
        (check(value="{{ query.nothing }}", in_=["{{ webhook.nothing }}"]), False),
        (check(value="{{ query.token }}", contains="{{ webhook.nothing }}"), False),
        (check(value="{{ body.error }}", in_=["x", "invalid_auth"]), True),
        (check(value="{{ body.error }}", in_=[]), False),
        (check(value="{{ body.error }}", matches="^invalid"), True),
        (check(value="{{ body.error }}", matches="auth"), True),
        (check(value="{{ body.error }}", matches="x*"), True),
        (check(value="{{ body.missing }}", matches=""), False),
        (check(value="{{ body.error }}", contains="_"), True),
        (check(value="{{ body.list }}", contains="2"), True),
        (check(value="{{ body.object }}", contains="k"), True),
        (check(value="{{ body.missing }}", contains="x"), False),
        (check(value="{{ body.n }}", exists=True), True),
        (check(value="{{ body.ok }}", exists=True), True),
        (check(value="{{ body.empty }}", exists=True), False),
        (check(value="{{ body.empty }}", exists=False), True),
        (check(value="{{ body.error }}", matches="auth", equals="x"), False),
        (check(value="{{ body.error }}"), True),
        (check(value="{{ body.missing }}"), False),
    ],
)
def test_a_test_holds_when_all_its_operators_do(test: Test, passed: bool):
    assert passes(test, SCOPE) is passed


FILTERS = """
hex base64 base64decode json fromJson trim first last sort join(',') split('a') default('d') upper sha1 md5 sortedConcat
date('epoch') slice(0,1) claims cookieHeader urlencode xml plus(1) where('a',1) match('a*') single get('a') urldecode
"""
VALUES = [None, True, 0, -1, 10**30, 1e308, float("nan"), "", "a", "é", "\ud800", "1", "e30.e30.e30", b"", b"\xff"]


@given(
    st.recursive(
        st.sampled_from(["a", "b.c", "'x'", "1", "null", "rawBody", "body[0]", "l"]),
        lambda inner: st.one_of(
            st.builds("({} ~ {})".format, inner, inner),
            st.builds("[{}, {}]".format, inner, inner),
            st.builds("({} | {})".format, inner, st.sampled_from(FILTERS.split())),
        ),
        max_leaves=8,
    ),
    st.dictionaries(
        st.sampled_from(["a", "b", "l", "rawBody", "body"]),
        st.recursive(
            st.sampled_from(VALUES),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
            max_leaves=5,
        ),
    ),
)
def test_rendering_raises_nothing_but_its_two_errors(expression: str, scope: dict[str, object]):
    template = compile_template("{{ " + expression + " }}")
    try:
        value = template.render(scope)
    except (Missing, Unrenderable):
        return

    assert value is not None


BODY = [{"a": number, "b": "é" * 3} for number in range(30_000)]


@pytest.mark.parametrize(
    "text",
    [
        "{{ big }}" * 400,
        "{{ " + "~".join(["big"] * 400) + " }}",
        "{{ big | replace('x', big) }}",
        "{{ big | split('x') }}",
        "{{ [big, big, big] | join(big) }}",
        "{{ big | hex | hex | hex }}",
        "{{ body | json }}" * 100,
        "{{ " + "[body, body] | json ~ " * 100 + "'' }}",
        "{{ raw | sha512 | hex }}" * 100,
        "{{ list | sort | join }}" * 100,
        "{{ quotes" + " | json" * 40 + " }}",
        "{{ brackets | fromJson }}",
        "{{ big | match('((a?){100}){3}b') }}",
        "{{ big | slice(0, 1500) | match('((a?){100}){3}b') | default('x') }}" * 40,
    ],
)
def test_no_template_grows_or_works_without_end(text: str):
    scope: dict[str, object] = {
        "big": "x" * 1024 * 1024,
        "raw": b"x" * 1024 * 1024,
        "body": BODY,
        "list": [str(number) for number in range(9_999)],
        "quotes": '\\"' * 1000,
        "brackets": "[" * 100_000,
    }

    with pytest.raises(Unrenderable):
        compile_template(text).render(scope)
