"""Rendering by place: a value is encoded for where it stands and can never become syntax there.

The template's own text says what is scheme, authority, path, query and fragment; a value stays inside its place,
and nothing is decoded afterwards.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar
from urllib.parse import quote

from tieline.manifest.evaluation import Expression, Meter, Scope, Template, compile_template
from tieline.manifest.expressions import TemplateFault
from tieline.manifest.filters import xml
from tieline.manifest.hosts import is_labels, is_port, read_authority, registrable
from tieline.manifest.values import MAX_TEXT, Missing, Unrenderable, bytes_of, text_of

MAX_URL = 16 * 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEADER_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f\\\s]")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LITERAL_SAFE = "/?#%:@!$&'()*+,;=[]~"
_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_WHOLE = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?", re.IGNORECASE)
_DIVIDER = r"(?:/|%(?:25)*(?:2f|5c))"
_DOT_SEGMENT = re.compile(rf"(?:^|{_DIVIDER})(?:\.|%(?:25)*2e){{1,2}}(?:$|(?={_DIVIDER}))", re.IGNORECASE)
_ENDS = {"authority": "/?#", "path": "?#", "query": "#", "fragment": ""}
_STARTS = {"/": "path", "?": "query", "#": "fragment"}
_BY_USERS = frozenset({"user", "adminOrUser", "computed"})  # a formula may be made of what a user typed
_NOT_FREE = frozenset({"hostname", "url", "choice"})

T = TypeVar("T")
Piece = str | Expression


class InputLike(Protocol):
    """What a slot needs to know of an input."""

    @property
    def type(self) -> str: ...
    @property
    def from_(self) -> str: ...
    @property
    def secret(self) -> bool: ...


@dataclass(frozen=True)
class UrlPlan:
    """A URL template, taken apart. `base` is an expression for scheme and authority; without it and without
    `scheme` the template is a path under the base URL. Literal pieces are encoded already.
    """

    base: Expression | None
    scheme: str
    host: tuple[Piece, ...]
    port: tuple[Piece, ...]
    path: tuple[Piece, ...]
    query: tuple[Piece, ...]
    fragment: tuple[Piece, ...]


def first_of(alt: str | Sequence[str], render: Callable[[Template], T]) -> T:
    """What the first template gives whose variables all have values. Raises the last Missing."""
    if isinstance(alt, str):
        return render(compile_template(alt))
    missing = Missing("")
    for text in alt:
        try:
            return render(compile_template(text))
        except Missing as this:
            missing = this
    raise missing


def render_header(alt: str | Sequence[str], scope: Scope) -> str:
    """The value of a header. Raises Unrenderable on CR, LF, NUL and other control characters but the tab."""
    text = text_of(first_of(alt, lambda template: template.render(scope)))
    if _HEADER_CONTROL.search(text):
        raise Unrenderable("A header value may not hold line breaks or control characters.")
    bytes_of(text)
    return text


def render_xml(alt: str | Sequence[str], scope: Scope) -> str:
    """An XML text in which every value is escaped; what ends in the filter `xml` is escaped already."""

    def escape(piece: Expression, value: object) -> str:
        return text_of(value) if piece.last_filter == "xml" else xml(value)

    return first_of(alt, lambda template: _put_together(template.parts, scope, Meter(), escape, most=MAX_TEXT))


def render_url(
    alt: str | Sequence[str], scope: Scope, *, inputs: Mapping[str, InputLike], base_url: str | None = None
) -> str:
    """An absolute URL. A path goes under `base_url`. Raises Missing and Unrenderable."""
    return first_of(alt, lambda template: _render(url_plan(template.text), scope, inputs, base_url))


def check_url(text: str, inputs: Mapping[str, InputLike]) -> None:
    """Refuse what `render_url` would refuse for every value. Raises TemplateFault."""
    plan = url_plan(text)
    if plan.base is not None and _by_user(plan.base, inputs):
        raise _fault(text, "A user's text may not be the whole of a URL.", "Give the input the type url.")
    given = [at for at, piece in enumerate(plan.host) if _by_user(piece, inputs)]
    if not given:
        return
    if len(plan.host) == 1:
        raise _fault(text, "A user's text may not be the whole host.", "Give the input the type hostname.")
    behind = plan.host[given[-1] + 1 :]
    literal = "".join(piece for piece in behind if isinstance(piece, str))
    if not any(isinstance(piece, Expression) for piece in behind) and not registrable(literal.partition(".")[2]):
        raise _fault(text, "A user's text may not choose the domain.", "Write a domain of your own behind it.")


@lru_cache(maxsize=2048)
def url_plan(text: str) -> UrlPlan:
    """Raises TemplateFault for a template that is no URL."""
    parts: Sequence[Piece] = compile_template(text).parts
    if not parts:
        raise _fault(text, "The URL is empty.")
    head = parts[0]
    if isinstance(head, Expression):
        if len(parts) > 1 and not (isinstance(parts[1], str) and parts[1][0] in "/?#"):
            raise _fault(
                text, "An expression at the start must be the whole of scheme and host.", "Begin with https://."
            )
        return _planned(text, head, "", parts[1:])
    if found := _SCHEME.match(head):
        rest = head[found.end() :]
        return _planned(text, None, found[1].lower(), (rest, *parts[1:]) if rest else parts[1:])
    if head[0] not in "/?" or head.startswith("//"):
        raise _fault(text, "A URL begins with https://, or with / under the base URL.")
    return _planned(text, None, "", parts)


def _planned(text: str, base: Expression | None, scheme: str, pieces: Sequence[Piece]) -> UrlPlan:
    places: dict[str, list[Piece]] = {place: [] for place in _ENDS}
    place = "authority"
    for piece in pieces:
        if isinstance(piece, Expression):
            places[place].append(piece)
            continue
        for into, literal in _split(place, piece):
            places[into].append(_literal(text, literal))
            place = into
    host, port = _authority_plan(text, places["authority"]) if scheme else ((), ())
    if _DOT_SEGMENT.search("".join(piece if isinstance(piece, str) else "x" for piece in places["path"])):
        raise _fault(text, "A path may not hold `.` or `..`.")
    return UrlPlan(base, scheme, host, port, *(tuple(places[name]) for name in ("path", "query", "fragment")))


def _split(place: str, literal: str) -> list[tuple[str, str]]:
    """The literal by places; the mark that opens a place stays with it."""
    found: list[tuple[str, str]] = []
    while literal:
        end = next((at for at, mark in enumerate(literal) if mark in _ENDS[place]), len(literal))
        if end:
            found.append((place, literal[:end]))
        literal = literal[end:]
        if literal:
            place = _STARTS[literal[0]]
            end = next((at for at, mark in enumerate(literal[1:], 1) if mark in _ENDS[place]), len(literal))
            found.append((place, literal[:end]))
            literal = literal[end:]
    return found


def _literal(text: str, literal: str) -> str:
    if _CONTROL.search(literal) or "\\" in literal:
        raise _fault(text, "A URL may not hold a backslash or a control character.")
    try:
        return _tidy(literal)
    except Unrenderable as fault:
        raise _fault(text, fault.message) from None


def _authority_plan(text: str, pieces: list[Piece]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    if all(isinstance(piece, str) for piece in pieces):
        authority = read_authority("".join(map(str, pieces)))
        if authority is None:
            raise _fault(text, "The host is not a valid one.", "User information does not belong in a URL.")
        return (authority,), ()
    host: list[Piece] = []
    port: list[Piece] | None = None
    for piece in pieces:
        if isinstance(piece, Expression):
            (host if port is None else port).append(piece)
            continue
        before, colon, after = piece.partition(":") if port is None else ("", ":", piece)
        if not re.fullmatch(r"[A-Za-z0-9._-]*", before) or not re.fullmatch(r"[0-9]*", after):
            raise _fault(text, "The host is not a valid one.", "User information does not belong in a URL.")
        host.extend([before] if before else [])
        if colon:
            port = [*(port or ()), *([after] if after else ())]
    if port == [] or not host:
        raise _fault(text, "The host or the port is empty.")
    return tuple(host), tuple(port or ())


def _render(plan: UrlPlan, scope: Scope, inputs: Mapping[str, InputLike], base_url: str | None) -> str:
    meter = Meter()
    if plan.base is not None:
        start = _base(plan, plan.base.value(scope, meter), inputs)
    elif plan.scheme:
        start = f"{plan.scheme}://{_authority(plan, scope, meter, inputs)}"
    else:
        start = _under(base_url)
    path = _put_together(plan.path, scope, meter, _path_value)
    if _DOT_SEGMENT.search(path):
        raise Unrenderable("A value may not make a path go up.")
    if path:
        start = start.rstrip("/")
    query = _put_together(plan.query, scope, meter, _encoded)
    url = start + path + query + _put_together(plan.fragment, scope, meter, _encoded)
    if len(url) > MAX_URL:
        raise Unrenderable(f"A URL may have at most {MAX_URL} characters.")
    return url


def _put_together(
    pieces: Sequence[Piece],
    scope: Scope,
    meter: Meter,
    encode: Callable[[Expression, object], str],
    *,
    most: int = MAX_URL,
) -> str:
    texts: list[str] = []
    left = most
    for piece in pieces:
        texts.append(piece if isinstance(piece, str) else encode(piece, piece.value(scope, meter)))
        left -= len(texts[-1])
        if left < 0:
            raise Unrenderable(f"At most {most} characters may stand here.")
    return "".join(texts)


def _encoded(piece: Expression, value: object) -> str:
    return _quoted(text_of(value), "")


def _path_value(piece: Expression, value: object) -> str:
    text = text_of(value)
    if not text:
        raise Unrenderable("A value in a path may not be empty.")
    return _quoted(text, ":")  # some tokens that stand in a path have a colon, and not every server decodes it


def _quoted(text: str, safe: str) -> str:
    if len(text) > MAX_URL:
        raise Unrenderable(f"A URL may have at most {MAX_URL} characters.")
    if _CONTROL.search(text):
        raise Unrenderable("A value in a URL may not hold control characters.")
    return quote(bytes_of(text), safe=safe)


def _base(plan: UrlPlan, value: object, inputs: Mapping[str, InputLike]) -> str:
    """The URL that a value is; with a query only if the template has nothing behind it."""
    if plan.base is None or _by_user(plan.base, inputs):
        raise Unrenderable("A user's text may not be the whole of a URL: its type must be url.")
    text = text_of(value)
    found = None if _NOT_IN_URL.search(text) or len(text) > MAX_URL else _WHOLE.fullmatch(text)
    authority = found and read_authority(found[2])
    if found is None or authority is None or _DOT_SEGMENT.search(found[3]):
        raise Unrenderable("This must be a URL that begins with https:// and has a host, without user and fragment.")
    if found[4] and (plan.path or plan.query or plan.fragment):
        raise Unrenderable("A URL that goes on may not have a query.")
    return f"{found[1].lower()}://{authority}{_tidy(found[3])}{_tidy(found[4] or '')}"


def _tidy(text: str) -> str:
    return quote(bytes_of(_STRAY_PERCENT.sub("%25", text)), safe=_LITERAL_SAFE)


def _under(base_url: str | None) -> str:
    if base_url is None:
        raise Unrenderable("A path needs a base URL.")
    if "?" in base_url or "#" in base_url:
        raise Unrenderable("The base URL may not have a query or a fragment.")
    return base_url


def _authority(plan: UrlPlan, scope: Scope, meter: Meter, inputs: Mapping[str, InputLike]) -> str:
    """Host and port. What a user typed decides at most what stands before a domain that is not theirs to choose."""
    if any(_is_secret(piece, inputs) for piece in plan.host):
        raise Unrenderable("A secret may not be a part of the host: every name server would learn it.")
    whole = len(plan.host) == 1
    if whole and _by_user(plan.host[0], inputs):
        raise Unrenderable("A user's text may not be the whole host: its type must be hostname.")
    host = behind = ""
    for piece in plan.host:
        text = piece if isinstance(piece, str) else text_of(piece.value(scope, meter))
        if not (whole or isinstance(piece, str) or is_labels(text)):
            raise Unrenderable("A value in a host may only hold letters, digits, dots and hyphens.")
        host += text
        behind = "" if _by_user(piece, inputs) else behind + text
    port = _put_together(plan.port, scope, meter, lambda piece, value: text_of(value))
    if plan.port and not is_port(port):
        raise Unrenderable("The port is not a number from 1 to 65535.")
    authority = read_authority(f"{host}:{port}" if port else host)
    if authority is None:
        raise Unrenderable("The host is not a valid one.")
    if not whole and behind != host:
        _keep_domain(host.lower(), behind.lower())
    return authority


def _keep_domain(host: str, behind: str) -> None:
    domain = registrable(host)
    if domain is None or not behind.endswith(f".{domain}"):
        raise Unrenderable("A user's text may not choose the domain.")


def _by_user(piece: Piece, inputs: Mapping[str, InputLike]) -> bool:
    """Whether a user typed it freely: not as a host name or URL, which is a host, nor chosen from what is offered."""
    return isinstance(piece, Expression) and any(
        each.from_ in _BY_USERS and each.type not in _NOT_FREE for each in _inputs_of(piece, inputs)
    )


def _is_secret(piece: Piece, inputs: Mapping[str, InputLike]) -> bool:
    return isinstance(piece, Expression) and any(each.secret for each in _inputs_of(piece, inputs))


def _inputs_of(piece: Expression, inputs: Mapping[str, InputLike]) -> list[InputLike]:
    names = {name.split(".", 1)[0] for name in piece.names}
    return [inputs[name] for name in names if name in inputs]


def _fault(text: str, message: str, hint: str = "") -> TemplateFault:
    return TemplateFault(message, 0, hint)
