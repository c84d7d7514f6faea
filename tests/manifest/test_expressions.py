import pytest

from tieline.manifest.expressions import (
    MAX_DEPTH,
    MAX_TEMPLATE,
    Call,
    Concat,
    Items,
    Literal,
    Lookup,
    Node,
    Pipe,
    TemplateFault,
    Variable,
    names_of,
    parse_template,
)


def parse(expression: str) -> Node:
    (node,) = parse_template("{{ " + expression + " }}")
    assert not isinstance(node, str)
    return node


def test_text_and_expressions_alternate():
    assert parse_template("a{{ b }}c{{ d }}") == ("a", Variable("b"), "c", Variable("d"))


def test_spaces_are_free_and_braces_in_text_are_text():
    assert parse_template('{"a":{"b":{{x}}}}') == ('{"a":{"b":', Variable("x"), "}}")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("'a'", Literal("a")),
        ('"a"', Literal("a")),
        ("-12", Literal(-12)),
        ("true", Literal(True)),
        ("false", Literal(False)),
        ("null", Literal(None)),
        ("a.b['c-d'][0]", Lookup(Variable("a"), (Literal("b"), Literal("c-d"), Literal(0)))),
        ("a[b]", Lookup(Variable("a"), (Variable("b"),))),
        ("a.true", Lookup(Variable("a"), (Literal("true"),))),
        ("[a, 'b']", Items((Variable("a"), Literal("b")))),
        ("[]", Items(())),
        ("[a,]", Items((Variable("a"),))),
        ("a ~ b ~ 'c'", Concat((Variable("a"), Variable("b"), Literal("c")))),
        ("a | hex", Pipe(Variable("a"), (Call("hex", (), 7),))),
        ("a | hex()", Pipe(Variable("a"), (Call("hex", (), 7),))),
        ("(a ~ b).c", Lookup(Concat((Variable("a"), Variable("b"))), (Literal("c"),))),
    ],
)
def test_each_form_of_the_grammar_is_read(text: str, node: Node):
    assert parse(text) == node


def test_filters_bind_tighter_than_concatenation():
    assert parse("a ~ b | hex") == Concat((Variable("a"), Pipe(Variable("b"), (Call("hex", (), 11),))))


def test_known_escapes_are_read_and_the_backslash_of_a_pattern_stays():
    assert parse(r"'\n\t\'\x41\u00e9\\ \d+'") == Literal("\n\t'Aé\\ \\d+")


def test_closing_braces_inside_a_text_do_not_close():
    assert parse_template("{{ '}}' }}!") == (Literal("}}"), "!")


def test_header_names_are_read_in_lower_case():
    assert parse("steps.x.headers['X-Id']") == parse("steps.x.headers['x-id']")
    assert parse("query['X-Id']") != parse("query['x-id']")


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("steps.login.body.token", {"steps.login.body.token"}),
        ("callback['accounts-server']", {"callback.accounts-server"}),
        ("body[0].eventType", {"body.0.eventType"}),
        ("a[b.c].d", {"a", "b.c"}),
        ("x | hmac('sha256', webhook.secret) | default(y)", {"x", "webhook.secret", "y"}),
        ("[a, b ~ a.c]", {"a", "b", "a.c"}),
        ("'a'", set[str]()),
    ],
)
def test_names_are_dotted_as_far_as_they_are_literal(expression: str, names: set[str]):
    assert names_of(parse(expression)) == names


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("{{ }}", 3),
        ("{{", 2),
        ("a{{ b", 5),
        ("{{ 'a }}", 3),
        ("{{ a b }}", 5),
        ("{{ a | }}", 7),
        ("{{ a | 'x' }}", 7),
        ("{{ a. }}", 6),
        ("{{ a.0 }}", 5),
        ("{{ a[0 }}", 7),
        ("{{ (a }}", 6),
        ("{{ a ~ }}", 7),
        ("{{ a + b }}", 5),
        ("{{ a == b }}", 5),
        ("{{ a if b }}", 5),
        ("{{ not a }}", 3),
        ("{{ 1.5 }}", 5),
        ("{{ {} }}", 3),
        ("{{- a }}", 2),
        ("{{ a -}}", 5),
        ("{{ a() }}", 4),
        ("{{ 12345678901234567890 }}", 3),
        ("x {% if a %}", 2),
        ("{# a #}", 0),
        ("{{ é }}", 3),
    ],
)
def test_what_is_not_the_language_is_refused_at_its_place(text: str, position: int):
    with pytest.raises(TemplateFault) as fault:
        parse_template(text)

    assert fault.value.position == position
    assert fault.value.message


def test_nesting_ends_somewhere():
    parse("(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1))
    with pytest.raises(TemplateFault, match="nested"):
        parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    with pytest.raises(TemplateFault, match="nested"):
        parse("[" * 10_000)


@pytest.mark.parametrize("text", ["{{a}}" * 501, "{{ a" + ".b" * 500 + " }}", "{{ a" + "|trim" * 500 + " }}"])
def test_the_number_of_terms_ends_somewhere(text: str):
    with pytest.raises(TemplateFault, match="complicated"):
        parse_template(text)


def test_a_template_has_a_greatest_length():
    assert parse_template("x" * MAX_TEMPLATE)
    with pytest.raises(TemplateFault, match="too long"):
        parse_template("x" * (MAX_TEMPLATE + 1))
