"""Turns the pages of a connect flow into answers: the status, the template, the headers and the cookie."""

import secrets
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tieline.connections.pages import Confirm, Ended, Form, Page, Posted, Redirect, Subject
from tieline.ui import styles
from tieline.ui.headers import page_headers, safe_logo
from tieline.ui.site import Site

_STATUS = {"cancelled": 200, "not-found": 404, "session-ended": 410}


@dataclass(frozen=True)
class Visit:
    """`token` is the session's, where the address has it. `browser` is set as a cookie where it is `fresh`."""

    site: Site
    token: str
    browser: str
    fresh: bool


def answer(page: Page, visit: Visit) -> Response:
    match page:
        case Redirect():
            return _with_cookie(_redirect(page), visit)
        case Form():
            return _with_cookie(_form(page, visit), visit)
        case Confirm():
            status = 503 if page.message else 200
            return _with_cookie(_html("confirm.html", visit.site, page.subject, status, page=page, forms=True), visit)
        case Posted():
            return _posted(page, visit.site)
        case Ended():
            return ended(page, visit.site)


def ended(page: Ended, site: Site, *, status: int | None = None, retry_after: float | None = None) -> HTMLResponse:
    """A page at the end. Whatever is not over, not known and not as wished is the request's fault."""
    answered = status or (200 if page.ok else _STATUS.get(page.code, 400))
    response = _html("ended.html", site, page.subject, answered, page=page)
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(retry_after)))
    return response


def _form(page: Form, visit: Visit) -> HTMLResponse:
    here = f"{visit.site.path}/connect/{quote(visit.token, safe='')}"
    wrong = bool(page.message) or any(each.error for each in page.fields)
    template = "choose.html" if page.method is None else "form.html"
    status = 422 if wrong else 200
    return _html(template, visit.site, page.subject, status, page=page, here=here, wrong=wrong, forms=True)


def _posted(page: Posted, site: Site) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    message = {"type": "tieline", "nonce": page.nonce.reveal()}
    return _html(
        "posted.html", site, page.subject, 200, page=page, message=message, origin=page.origin, script_nonce=nonce
    )


def _redirect(page: Redirect) -> Response:
    url = page.url.reveal()
    if urlsplit(url).scheme not in ("https", "http"):
        raise ValueError("A browser is only sent to http and https.")
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(url, status_code=303, headers=headers)


def _html(
    name: str,
    site: Site,
    subject: Subject | None,
    status: int,
    *,
    forms: bool = False,
    script_nonce: str = "",
    **values: object,
) -> HTMLResponse:
    logo = safe_logo(subject.logo_url) if subject else None
    text = _template(name).render(
        subject=subject,
        logo=logo,
        stylesheet=site.path + styles.PATH,
        base=site.path,
        script_nonce=script_nonce,
        **values,
    )
    headers = page_headers(
        embed_origin=subject.embed_origin if subject else None,
        logo_url=logo,
        script_nonce=script_nonce,
        sends_forms=forms,
    )
    return HTMLResponse(text, status_code=status, headers=headers)


def _with_cookie(response: Response, visit: Visit) -> Response:
    if visit.fresh:
        site = visit.site
        response.set_cookie(site.cookie, visit.browser, secure=site.secure, httponly=True, samesite="lax", path="/")
    return response


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("tieline.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
