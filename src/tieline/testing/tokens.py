"""The token, revocation and userinfo endpoints (RFC 6749, RFC 7009)."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tieline.testing.answers import Dropped, broken_response, fault_response, token_response
from tieline.testing.authorization import read_scopes
from tieline.testing.ledger import TokenFault
from tieline.testing.parameters import authenticate_client, read_form
from tieline.testing.practice import Practice


class TokenEndpoint:
    def __init__(self, practice: Practice) -> None:
        self._practice = practice

    def routes(self) -> list[Route]:
        return [
            Route("/token", self.token, methods=["POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
        ]

    async def token(self, request: Request) -> Response:
        switches = self._practice.switches
        response = broken_response(switches) or await self._answer(request)
        await asyncio.sleep(switches.slow_seconds)
        if switches.drop_answer > 0:
            switches.drop_answer -= 1
            return Dropped()
        return response

    async def revoke(self, request: Request) -> Response:
        """An unknown token is as good as a revoked one (RFC 7009, section 2.2)."""
        if self._practice.switches.revoke_fails:
            retry = {"Retry-After": str(self._practice.switches.retry_after)}
            return JSONResponse({"error": "temporarily_unavailable"}, status_code=503, headers=retry)
        try:
            form = await read_form(request)
            authenticate_client(request, form, self._practice)
            if "token" not in form:
                raise TokenFault("invalid_request", "token is missing.")
        except TokenFault as fault:
            return fault_response(fault)
        self._practice.revoked += self._practice.ledger.revoke(form["token"])
        return Response(status_code=200)

    async def _answer(self, request: Request) -> Response:
        try:
            form = await read_form(request)
            authenticate_client(request, form, self._practice)
            return token_response(self._grant(form), self._practice.switches)
        except TokenFault as fault:
            return fault_response(fault)

    def _grant(self, form: dict[str, str]) -> dict[str, object]:
        ledger = self._practice.ledger
        match form.get("grant_type"):
            case "authorization_code":
                code, verifier = form.get("code", ""), form.get("code_verifier", "")
                answer = ledger.redeem_code(code, redirect_uri=form.get("redirect_uri", ""), verifier=verifier)
                self._practice.codes_exchanged += 1
            case "refresh_token":
                answer = ledger.refresh(form.get("refresh_token", ""))
                self._practice.refreshes += 1
            case "client_credentials":
                scopes = read_scopes(form.get("scope"), self._practice)
                answer = ledger.issue(ledger.open_grant(None, scopes))
            case _:
                raise TokenFault("unsupported_grant_type", "This grant type is not known here.")
        return answer
