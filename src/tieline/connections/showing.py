"""Makes pages of an opened session; none of this changes it. Pure."""

from collections.abc import Mapping

from tieline.connections.access import Access
from tieline.connections.forms import form_fields, known_values, variant_field
from tieline.connections.opening import Opened
from tieline.connections.pages import Choice, Confirm, Ended, Form, Page, Posted, Redirect
from tieline.errors import Fault
from tieline.protocols.apply import with_query
from tieline.secret import Secret

NONCE = "tieline_nonce"
GONE = "This link is not valid any more. Go back to the application, and connect again from there."


def leaves(access: Access) -> bool:
    """Whether the user goes to the provider to consent."""
    return access.method.oauth2 is not None and access.method.oauth2.grant == "authorization_code"


def form_page(
    opened: Opened,
    *,
    redirect_uri: str,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, Fault] | None = None,
    message: str = "",
) -> Page:
    """The choice of a method, or its fields with what was typed and what is wrong with it."""
    if not opened.methods:
        detail = "Its setup was changed meanwhile. Tell the people who run the application."
        return Ended(False, "This cannot be connected now", detail, "not-connectable", opened.subject)
    access = opened.access
    if access is None:
        return Form(opened.subject, None, tuple(_choice(opened, name) for name in opened.methods))
    faults = errors or {}
    known = known_values(access, opened.given)
    chosen = access.variant if opened.decided else None
    fields = variant_field(opened.manifest, opened.variants, chosen, faults)
    return Form(
        subject=opened.subject,
        method=access.method_name,
        fields=fields + form_fields(access, typed or {}, faults, known=known),
        leaves=leaves(access),
        message=message,
        redirect_uri=redirect_uri if access.users_client and leaves(access) else "",
        several=len(opened.methods) > 1,
    )


def used_page(opened: Opened) -> Ended:
    result: Mapping[str, object] = opened.row.result or {}
    if result.get("result") in ("connected", "reconnected"):
        return Ended(True, "This is connected already", "You can close this page.", "", opened.subject)
    return Ended(False, "This link has been used", GONE, "session-ended", opened.subject)


def stranger_page(opened: Opened) -> Ended:
    """Another browser than the one that left, or another client's address: nothing is taken from it."""
    return Ended(False, "This did not start here", GONE, "state-mismatch", opened.subject)


def onward_page(opened: Opened, nonce: str, browser: str, *, result: Mapping[str, object] | None) -> Page:
    """Where the browser goes with its nonce: to the application, or to a page of ours. `result` is set when it is
    over already."""
    row = opened.row
    if row.return_to:
        return Redirect(Secret(with_query(row.return_to, {NONCE: nonce})), Secret(browser))
    if row.embed_origin:
        return Posted(opened.subject, row.embed_origin, Secret(nonce))
    if result is None:
        return Confirm(opened.subject, Secret(nonce), Secret(browser))
    problem = result.get("problem")
    if isinstance(problem, Mapping):
        found: Mapping[str, str] = problem  # pyright: ignore[reportUnknownVariableType]  # as `answers` made it
        return Ended(False, "Not connected", found["detail"], found["code"], opened.subject)
    return Ended(False, "Not connected", "Nothing was connected. You can close this page.", "cancelled", opened.subject)


def _choice(opened: Opened, name: str) -> Choice:
    method = opened.manifest.auth[name]
    return Choice(name, method.label or name, method.description or "")
