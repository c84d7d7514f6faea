import pytest

from tieline.api.keys_in_requests import find_key, without_keys
from tieline.errors import Unauthorized
from tieline.organizations.keys import new_key

KEY, OTHER = new_key().reveal(), new_key().reveal()
AROUND = ["auth=Bearer%20KEY", "auth=Token+token=KEY", "KEY", "a=1;key=KEY"]


@pytest.mark.parametrize("query", ["key=KEY", "a=1&key=KEY", "key=%74l_REST", "x[]=KEY&b", "kkkkkkkkk=KEY", *AROUND])
def test_a_key_in_the_query_is_found_and_the_rest_stays_as_it_was(query):
    query = query.replace("KEY", KEY).replace("REST", KEY[3:])

    assert find_key((), query) == KEY
    assert KEY[3:] not in without_keys((), query)[1]


def test_the_rest_of_a_query_keeps_its_spelling_and_order():
    assert without_keys((), f"b=%20&k={KEY}&a=+&a=%2B&")[1] == "b=%20&a=+&a=%2B&"


def test_the_same_key_twice_is_one_key_and_both_are_removed():
    headers = (("Authorization", f"Bearer {KEY}"), ("X-Key", KEY), ("Accept", "*/*"))

    assert find_key(headers, f"k={KEY}") == KEY
    assert without_keys(headers, f"k={KEY}") == ((("Accept", "*/*"),), "")


@pytest.mark.parametrize("value", ["Bearer sk_live_1", "Basic !!!", "Basic //4=", "SHORTER", "KEYa", "CHANGED"])
def test_what_is_no_whole_key_is_none(value):
    changed = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")
    value = value.replace("KEY", KEY).replace("SHORTER", KEY[:-1]).replace("CHANGED", changed)

    with pytest.raises(Unauthorized):
        find_key((("Authorization", value),), "")
    assert without_keys((("Authorization", value),), "a=1") == ((("Authorization", value),), "a=1")


def test_several_keys_are_refused():
    with pytest.raises(Unauthorized, match="several"):
        find_key((("X-Key", KEY),), f"k={OTHER}")


def test_a_refusal_does_not_repeat_the_key():
    with pytest.raises(Unauthorized) as refusal:
        find_key((("X-Key", KEY),), f"k={OTHER}")

    assert KEY not in str(refusal.value)
