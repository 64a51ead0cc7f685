"""Who may ask the page: a browser on this machine that was given its address."""

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

COOKIE = "archdsl_page"
MOST = 2_000_000  # bytes of a request's body


class Guard:
    """Refuses what does not come from the page itself.

    A request must name this server as its host (no other name leads here by a changed DNS entry),
    come from no other site's page, and know the token: from the address that `archdsl serve`
    prints, then from the cookie that this sets. Holds for HTTP and WebSockets alike.
    """

    def __init__(self, app: Any, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self.problem(scope, headers)
        if problem:
            await self.refuse(scope, receive, send, *problem)
            return
        asked = self.asked(scope)

        async def answered(message: Any) -> None:
            if message["type"] == "http.response.start" and asked:
                cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, answered)

    def problem(self, scope: Any, headers: Headers) -> tuple[int, str] | None:
        """Why a request is refused, with its status."""
        if headers.get("host") not in self.hosts:
            return 421, "this page answers under its own name alone"
        if headers.get("origin", next(iter(self.origins))) not in self.origins:
            return 403, "another page may not ask this one"
        if not (self.asked(scope) or self.known(headers)):
            return 403, "open the address that `archdsl serve` printed"
        if "transfer-encoding" in headers:  # of a length that nobody knows yet
            return 411, "say how much it is"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST:
            return 413, "too much at once"
        return None

    def asked(self, scope: Any) -> bool:
        """Whether the address has the token."""
        said = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])
        return hmac.compare_digest(said[0].encode(), self.token.encode())

    def known(self, headers: Headers) -> bool:
        """Whether the cookie has it."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self.token.encode())

    async def refuse(self, scope: Any, receive: Any, send: Any, status: int, why: str) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
            return
        await PlainTextResponse(f"{why}\n", status)(scope, receive, send)
