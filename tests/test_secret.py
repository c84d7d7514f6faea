import copy
import dataclasses
import json
import logging
import pickle

import pydantic
import pytest
from pydantic_core import PydanticSerializationError

from tieline.secret import Secret

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r}".format,
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  logging formats like this
        lambda secret: f"{secret}",
        lambda secret: repr([secret, {"a": secret}]),
        lambda secret: json.dumps({"a": secret}, default=str),
    ],
)
def test_a_secret_does_not_show(show):
    assert CANARY not in show(Secret(CANARY))
    assert "***" in show(Secret(CANARY))


@pytest.mark.parametrize(
    "copying",
    [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, lambda each: pickle.dumps(each, protocol=0), vars],
)
def test_a_secret_is_not_serialised(copying):
    with pytest.raises(TypeError) as raised:
        copying(Secret(CANARY))

    assert CANARY not in str(raised.value)


def test_a_dataclass_with_a_secret_does_not_show_it():
    @dataclasses.dataclass(frozen=True)
    class Holder:
        token: Secret

    holder = Holder(Secret(CANARY))

    assert CANARY not in repr(holder)
    with pytest.raises(TypeError):
        dataclasses.asdict(holder)


def test_a_model_with_a_secret_cannot_be_serialised():
    class Outward(pydantic.BaseModel, arbitrary_types_allowed=True):
        token: Secret

    outward = Outward(token=Secret(CANARY))

    assert CANARY not in repr(outward)
    with pytest.raises(PydanticSerializationError):
        outward.model_dump_json()


def test_a_log_line_does_not_show_it(caplog):
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("t").debug("got %s and %r", Secret(CANARY), [Secret(CANARY)])

    assert CANARY not in caplog.text


def test_equal_texts_are_equal_and_never_hashed():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("é") == Secret("é")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_only_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("0")
    assert Secret("0").reveal() == "0"
