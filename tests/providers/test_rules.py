import pytest

from tieline.providers.rules import best, next_version, numbered, read_version, slug_of, split_reference


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Custom API", "my-custom-api"),
        ("  Über--Öl & Söhne!  ", "uber-ol-sohne"),
        ("ACME", "acme"),
        ("日本", "provider"),
        ("", "provider"),
        ("../..", "provider"),
        ("a" * 200, "a" * 80),
        ("a" * 79 + " b", "a" * 79),
    ],
)
def test_a_slug_is_made_of_a_name(name, slug):
    assert slug_of(name) == slug


def test_a_taken_slug_gets_the_first_free_number():
    assert numbered("a", []) == "a"
    assert numbered("a", ["a"]) == "a-2"
    assert numbered("a", ["a", "a-2", "a-4", "a-3x"]) == "a-3"


@pytest.mark.parametrize(
    ("change", "version"),
    [("security", "2.0.0"), ("behaviour", "1.3.0"), ("cosmetic", "1.2.4"), ("none", "1.2.4")],
)
def test_the_kind_of_change_says_which_number_goes_up(change, version):
    assert next_version("1.2.3", change) == version


@pytest.mark.parametrize("text", ["1.2", "1.2.3.4", "v1.2.3", "1.2.x", "1.2.3-beta", "", "1.2.1234567", "1.2.3\n"])
def test_a_version_is_three_numbers(text):
    assert read_version(text) is None
    assert read_version("1.20.3") == (1, 20, 3)


VERSIONS = ["1.0.0", "1.2.0", "1.2.9", "1.10.0", "2.0.0", "odd"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("*", "2.0.0"),
        ("1", "1.10.0"),
        ("1.2", "1.2.9"),
        ("1.2.0", "1.2.0"),
        ("^1", "1.10.0"),
        ("^1.2", "1.10.0"),
        ("^1.2.5", "1.10.0"),
        ("~1.2", "1.2.9"),
        ("~1.2.1", "1.2.9"),
        ("^1.11", None),
        ("3", None),
        ("^3", None),
        ("1.x", None),
        ("^", None),
        (">=1", None),
    ],
)
def test_a_range_means_the_highest_version_in_it(wanted, found):
    assert best(VERSIONS, wanted) == found


def test_a_reference_without_a_range_means_any_version():
    assert split_reference("google-mail@^1") == ("google-mail", "^1")
    assert split_reference("google-mail") == ("google-mail", "*")
    assert split_reference("google-mail@") == ("google-mail", "*")
