"""The filters, each a pure function of the value before the bar. Digests give bytes; `hex` and `base64` make text.

A filter that answers null says that there is no value. Work is paid for before it is done: see `Filter`.
"""

import base64 as b64
import hashlib
import hmac as mac
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from tieline.manifest import dates, searching
from tieline.manifest.values import (
    BUDGET,
    MAX_ITEMS,
    MAX_TEXT,
    Unrenderable,
    bytes_of,
    is_mapping,
    is_number,
    is_sequence,
    json_of,
    member,
    read_json,
    same,
    text_of,
    weight_of,
)

_DIGESTS = ("md5", "sha1", "sha256", "sha384", "sha512")


def base64(value: object) -> str:
    return b64.b64encode(bytes_of(value)).decode()


def base64url(value: object) -> str:
    """RFC 4648 section 5, without padding."""
    return b64.urlsafe_b64encode(bytes_of(value)).rstrip(b"=").decode()


def base64decode(value: object) -> bytes:
    """Either alphabet, with or without padding."""
    text = "".join(text_of(value).split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise Unrenderable("This is not base64.") from None


def to_hex(value: object) -> str:
    return bytes_of(value).hex()


def digest(name: str) -> Callable[[object], bytes]:
    return lambda value: hashlib.new(name, bytes_of(value), usedforsecurity=False).digest()


def hmac(value: object, algorithm: object, key: object) -> bytes:
    secret = bytes_of(key)
    if not secret:
        raise Unrenderable("The key of hmac is empty.")
    return mac.digest(secret, bytes_of(value), digest_of(algorithm))


def digest_of(algorithm: object) -> str:
    name = text_of(algorithm).lower()
    if name not in _DIGESTS:
        raise Unrenderable(f"A digest is one of {', '.join(_DIGESTS)}.")
    return name


def sign(value: object, algorithm: object, key: object) -> bytes:
    from tieline.manifest import signing  # its library takes 70 ms to import, and few documents sign

    return signing.sign(value, algorithm, key)


def key_fingerprint(value: object) -> bytes:
    from tieline.manifest import signing  # as in sign

    return signing.key_fingerprint(value)


def from_json(value: object) -> object:
    try:
        return read_json(text_of(value), constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unrenderable("This is not JSON.") from None


def xml(value: object) -> str:
    """Text as it stands in XML, in content and in attributes alike."""
    return html.escape(text_of(value), quote=True)


def url_encode(value: object) -> str:
    """Percent-encoded, a slash too; of a map the query string."""
    try:
        if is_mapping(value):
            return urlencode({name: text_of(each) for name, each in value.items()}, quote_via=quote, safe="")
        return quote(bytes_of(value), safe="")
    except UnicodeEncodeError:
        raise Unrenderable("The text holds half a character.") from None


def url_decode(value: object) -> str:
    return unquote(text_of(value))


def lower(value: object) -> str:
    return text_of(value).lower()


def upper(value: object) -> str:
    return text_of(value).upper()


def trim(value: object) -> str:
    return text_of(value).strip()


def replace(value: object, old: object, new: object) -> str:
    text, was, now = text_of(value), text_of(old), text_of(new)
    if not was:
        raise Unrenderable("There is nothing to replace.")
    if len(text) + text.count(was) * (len(now) - len(was)) > MAX_TEXT:
        raise Unrenderable("The text grows too large.")
    return text.replace(was, now)


def cut(value: object, start: object, end: object = None) -> object:
    if not isinstance(start, int) or not isinstance(end, int | None):
        raise Unrenderable("slice takes whole numbers.")
    if isinstance(value, bytes) or is_sequence(value):
        return value[start:end]
    return text_of(value)[start:end]


def split(value: object, separator: object) -> list[str]:
    mark = text_of(separator)
    if not mark:
        raise Unrenderable("split needs a separator.")
    parts = text_of(value).split(mark, MAX_ITEMS)
    if len(parts) > MAX_ITEMS:
        raise Unrenderable(f"split makes at most {MAX_ITEMS} parts.")
    return parts


def join(value: object, separator: object = "") -> str:
    """Null members count as empty text, so that a place stays a place."""
    return _run_together(map(text_of, _list(value)), text_of(separator))


def match(value: object, pattern: object) -> str | None:
    return searching.first_match(text_of(pattern), text_of(value))


def default(value: object, other: object) -> object:
    return other if value is None or value == "" else value


def first(value: object) -> object:
    return member(_any_list(value), 0)


def last(value: object) -> object:
    return member(_any_list(value), -1)


def single(value: object) -> object:
    """The only member; null when there are none or several."""
    members = _any_list(value)
    return members[0] if len(members) == 1 else None


def get(value: object, key: object) -> object:
    return member(value, key)


def where(value: object, field: object, wanted: object) -> list[object]:
    """The members whose field equals the value."""
    return [each for each in _list(value) if same(member(each, field), wanted)]


def sort(value: object) -> list[object]:
    """Numbers by size, anything else as text by code point."""
    members = _list(value)
    if all(is_number(each) for each in members):
        return sorted(members, key=_number)
    if any(is_mapping(each) or is_sequence(each) for each in members):
        raise Unrenderable("Only a list of texts or numbers can be sorted.")
    return sorted(members, key=text_of)


def claims(value: object) -> object:
    """The payload of a JWT, *not verified*: for routing and identity only."""
    parts = text_of(value).split(".", 5)
    if len(parts) != 3:
        raise Unrenderable("This is not a JWT.")
    payload = from_json(base64decode(parts[1]))
    if not is_mapping(payload):
        raise Unrenderable("This is not a JWT.")
    return payload


def sorted_concat(value: object) -> str:
    """Names and values run together, by name; a name with several values stands before each, in order, once."""
    return _run_together(text for name, each in sorted(_map(value).items()) for text in _pairs(name, each))


def key_lines(value: object, keys: object) -> str:
    """For each key that has a value, a line with the key and a line with the value."""
    members = _map(value)
    found = ((text_of(key), member(members, key)) for key in _list(keys))
    return _run_together(f"{key}\n{text_of(each)}\n" for key, each in found if each is not None and each != "")


def cookie_header(value: object) -> str:
    """The value of a Cookie header, from a map of cookies or from Set-Cookie lines (RFC 6265 section 4.2.1)."""
    if is_mapping(value):
        pairs = (f"{name}={text_of(each)}" for name, each in _map(value).items())
    else:
        lines = _list(value) if is_sequence(value) else [value]
        pairs = (text_of(line).split(";", 1)[0].strip() for line in lines)
    return _run_together(map(_cookie, pairs), "; ")


def _cookie(pair: str) -> str:
    if any(mark in pair for mark in ";\r\n\0"):
        raise Unrenderable("A cookie may not hold a semicolon or a line break.")
    return pair


def _run_together(texts: Iterable[str], mark: str = "") -> str:
    """One by one, so that it ends as soon as it is too large."""
    parts, size = list[str](), 0
    for text in texts:
        parts.append(text)
        size += len(text) + len(mark)
        if size > MAX_TEXT:
            raise Unrenderable("The text grows too large.")
    return mark.join(parts)


def _any_list(value: object) -> Sequence[object]:
    if not is_sequence(value):
        raise Unrenderable("This is not a list.")
    return value


def _list(value: object) -> Sequence[object]:
    """A list that is short enough to go through."""
    members = _any_list(value)
    if len(members) > MAX_ITEMS:
        raise Unrenderable(f"A list may have at most {MAX_ITEMS} members here.")
    return members


def _map(value: object) -> Mapping[str, object]:
    if not is_mapping(value):
        raise Unrenderable("This is not a map.")
    if len(value) > MAX_ITEMS:
        raise Unrenderable(f"A map may have at most {MAX_ITEMS} members here.")
    return value


def _pairs(name: str, value: object) -> list[str]:
    if is_sequence(value):
        return [name + text for text in sorted({text_of(each) for each in _list(value)})]
    return [name + text_of(value)]


def _number(value: object) -> float:
    return float(value) if is_number(value) else 0.0


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _algorithm_of(algorithm: object) -> object:
    from tieline.manifest import signing  # as in sign

    return signing.algorithm_of(algorithm)


def _per_character(weight: int, flat: int = 400) -> Callable[..., int]:
    """Of the value and of what is given beside it; a list or a map counts by its members."""

    def cost(*values: object) -> int:
        return flat + weight * sum(map(_length, values))

    return cost


def _length(value: object) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    return 16 * len(value) if is_mapping(value) or is_sequence(value) else 0


def _per_content(weight: int) -> Callable[..., int]:
    """Of all that is in the value, down to its last member: for what goes through the texts of a list or map."""

    def cost(*values: object) -> int:
        # Counted no further than it can be paid for: counting takes time too.
        return 400 + weight * sum(weight_of(each, BUDGET // weight) for each in values)

    return cost


_ORDINARY = _per_character(4)
_NOTHING = _per_character(0)


def _cost_of_json(value: object) -> int:
    return 400 + (6 * len(value) if isinstance(value, str | bytes) else 80 * weight_of(value, BUDGET // 80))


def _cost_of_from_json(value: object) -> int:
    """Many small members take longer than the same text as one."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return 400 + 8 * len(text) + 160 * sum(map(text.count, ",:[{")) if isinstance(text, str) else 400


def _cost_of_match(value: object, pattern: object) -> int:
    return 4000 + 4 * searching.steps(text_of(pattern), text_of(value))


@dataclass(frozen=True)
class Filter:
    """How many arguments it takes, how a literal first one is checked when compiling, and what its work costs.

    `cost` is given what `apply` is given; one unit is about 2.5 ns, and 400 is the least.
    """

    apply: Callable[..., object]
    least: int = 0
    most: int = 0
    cost: Callable[..., int] = _ORDINARY
    check: Callable[[object], object] | None = None


FILTERS: dict[str, Filter] = {
    "base64": Filter(base64),
    "base64decode": Filter(base64decode, cost=_per_character(8)),
    "base64url": Filter(base64url),
    "claims": Filter(claims, cost=_per_character(72)),
    "cookieHeader": Filter(cookie_header, cost=_per_content(36)),
    "date": Filter(dates.format_date, 1, 1, cost=_per_character(4, 4000), check=dates.date_format),
    "default": Filter(default, 1, 1, cost=_NOTHING),
    "first": Filter(first, cost=_NOTHING),
    "fromJson": Filter(from_json, cost=_cost_of_from_json),
    "get": Filter(get, 1, 1, cost=_NOTHING),
    "hex": Filter(to_hex),
    "hmac": Filter(hmac, 2, 2, cost=_per_character(2), check=digest_of),
    "join": Filter(join, 0, 1, cost=_per_character(16)),
    "json": Filter(json_of, cost=_cost_of_json),
    "keyFingerprint": Filter(key_fingerprint, cost=_per_character(4, 500_000)),
    "keyLines": Filter(key_lines, 1, 1, cost=_per_character(40)),
    "last": Filter(last, cost=_NOTHING),
    "lower": Filter(lower, cost=_per_character(12)),
    "match": Filter(match, 1, 1, cost=_cost_of_match, check=searching.compiled),
    "md5": Filter(digest("md5"), cost=_per_character(2)),
    "plus": Filter(dates.plus, 1, 1, cost=_per_character(4, 4000), check=dates.duration_of),
    "replace": Filter(replace, 2, 2, cost=_per_character(8)),
    "seconds": Filter(dates.seconds, 1, 1, cost=_per_character(4, 4000), check=dates.unit_of),
    "sha1": Filter(digest("sha1"), cost=_per_character(2)),
    "sha256": Filter(digest("sha256"), cost=_per_character(2)),
    "sha512": Filter(digest("sha512"), cost=_per_character(2)),
    "sign": Filter(sign, 2, 2, cost=_per_character(4, 3_000_000), check=_algorithm_of),
    "single": Filter(single, cost=_NOTHING),
    "slice": Filter(cut, 1, 2, cost=_per_character(1)),
    "sort": Filter(sort, cost=_per_content(48)),
    "sortedConcat": Filter(sorted_concat, cost=_per_content(40)),
    "split": Filter(split, 1, 1, cost=_per_character(8)),
    "trim": Filter(trim, cost=_per_character(2)),
    "upper": Filter(upper, cost=_per_character(12)),
    "urldecode": Filter(url_decode, cost=_per_character(48)),
    "urlencode": Filter(url_encode, cost=_per_content(40)),
    "where": Filter(where, 2, 2, cost=_per_content(24)),
    "xml": Filter(xml),
}
