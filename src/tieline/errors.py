"""Every error that Tieline raises on purpose, as one base and one level of leaves.

TielineError
├── InvalidRequest 422            the caller's words are off; `errors` lists each fault
├── InvalidProvider 422           a provider document has faults; `errors` lists all of them
├── InvalidInputs 422             what a user or admin typed does not fit; `errors` lists each input
├── Unauthorized 401              no key, or one that is not valid
├── Forbidden 403                 a valid key that may not do this
├── EndUserMismatch 403           somebody else came back from the provider than was sent there
├── NotFound 404                  it does not exist, or not for this caller
├── NotConnected 404              this end user has no connection at this provider
├── Conflict 409                  it exists already, or changed meanwhile
├── AmbiguousConnection 409       several accounts fit; say which
├── AccountMismatch 409           reconnecting brought another account
├── SealBroken 409                a stored secret does not open: changed, put back, or moved from another row
├── ReconnectRequired 409         only the end user can mend this, by connecting again
├── Suspended 409                 the connection was switched off
├── NotConnectable 422            the provider, or this method of it, cannot be connected (yet)
├── NotConfigured 409             the organization has not registered its client at this provider
├── CheckFailed 422               the provider does not accept the credential
├── ScopesMissing 422             the user granted less than the provider document requires
├── CodeExpired 422               the authorization code was refused or came too late
├── SessionEnded 410              a connect session that is over, or was never there
├── MethodNotAllowed 405          the address exists, and does not take this method
├── RequestTimeout 408            the body of the request came too slowly
├── RateLimited 429               a limit of Tieline or of the provider; `retry_after` in seconds
├── PathRefused 400               a proxied path or address that leaves what the connection may reach
├── AddressRefused 403            an address that the egress policy forbids
├── PayloadTooLarge 413           more bytes than this route takes
├── ProviderUnavailable 503       the provider is down, slow or busy; `retry_after` in seconds
├── ProviderRefused 502           the provider answered, and the answer was no
├── ProviderUnreadable 502        the provider answered something that is not what its document says
├── StorageUnavailable 503        the database is away; `retry_after` in seconds
├── StorageFull 507               the disk is full
└── Misconfigured                 a refusal to start: settings, keys, schema

`detail` is for people and says what to do next; `facts` are for machines. Neither ever holds a secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a document, a request or an input.

    `path` is a JSON pointer (RFC 6901), or the name of a parameter; `hint` says how to mend it.
    """

    path: str
    code: str
    message: str
    hint: str = ""
    severity: str = "error"


class TielineError(Exception):
    """The base; `code` names the problem type, `status` is what HTTP answers."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500

    def __init__(
        self, detail: str = "", *, errors: Sequence[Fault] = (), retry_after: float | None = None, **facts: object
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.facts: Mapping[str, object] = facts


class InvalidRequest(TielineError):
    code, title, status = "invalid-request", "The request is not valid", 422


class InvalidProvider(TielineError):
    code, title, status = "invalid-provider", "The provider document has faults", 422


class InvalidInputs(TielineError):
    code, title, status = "invalid-inputs", "Some inputs are missing or do not fit", 422


class Unauthorized(TielineError):
    code, title, status = "unauthorized", "No valid API key", 401


class Forbidden(TielineError):
    code, title, status = "forbidden", "This key may not do that", 403


class EndUserMismatch(TielineError):
    code, title, status = "end-user-mismatch", "Another user came back than was sent", 403


class NotFound(TielineError):
    code, title, status = "not-found", "Not found", 404


class NotConnected(TielineError):
    code, title, status = "not-connected", "This user has not connected this provider", 404


class Conflict(TielineError):
    code, title, status = "conflict", "It exists already, or changed meanwhile", 409


class AmbiguousConnection(TielineError):
    code, title, status = "ambiguous-connection", "Several accounts are connected", 409


class AccountMismatch(TielineError):
    code, title, status = "account-mismatch", "Another account came back than was connected before", 409


class ReconnectRequired(TielineError):
    code, title, status = "reconnect-required", "The user must connect again", 409


class Suspended(TielineError):
    code, title, status = "suspended", "This connection is suspended", 409


class NotConnectable(TielineError):
    code, title, status = "not-connectable", "This provider cannot be connected", 422


class NotConfigured(TielineError):
    code, title, status = "not-configured", "This integration has no client yet", 409


class CheckFailed(TielineError):
    code, title, status = "check-failed", "The provider does not accept this credential", 422


class ScopesMissing(TielineError):
    code, title, status = "scopes-missing", "The user granted less than is required", 422


class CodeExpired(TielineError):
    code, title, status = "code-expired", "The authorization code was refused", 422


class SessionEnded(TielineError):
    code, title, status = "session-ended", "This connect session is over", 410


class MethodNotAllowed(TielineError):
    code, title, status = "method-not-allowed", "This address does not take that method", 405


class RequestTimeout(TielineError):
    code, title, status = "request-timeout", "The request came too slowly", 408


class RateLimited(TielineError):
    code, title, status = "rate-limited", "Too many requests", 429


class PathRefused(TielineError):
    code, title, status = "path-refused", "This path leaves what the connection may reach", 400


class AddressRefused(TielineError):
    code, title, status = "address-refused", "This address is not allowed", 403


class PayloadTooLarge(TielineError):
    code, title, status = "payload-too-large", "The body is too large", 413


class ProviderUnavailable(TielineError):
    code, title, status = "provider-unavailable", "The provider cannot be reached right now", 503


class ProviderRefused(TielineError):
    code, title, status = "provider-refused", "The provider refused", 502


class ProviderUnreadable(TielineError):
    code, title, status = "provider-unreadable", "The provider's answer cannot be read", 502


class StorageUnavailable(TielineError):
    code, title, status = "storage-unavailable", "The database cannot be reached right now", 503


class StorageFull(TielineError):
    code, title, status = "storage-full", "The disk is full", 507


class SealBroken(TielineError):
    code, title, status = "seal-broken", "A stored secret does not open", 409


class Misconfigured(TielineError):
    code, title, status = "misconfigured", "Tieline cannot start like this", 500
