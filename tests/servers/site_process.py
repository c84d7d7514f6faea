"""What the programs in this folder share: they read a plan, serve a WSGI application on a free port and say which."""

import json
import os
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


@dataclass(frozen=True)
class Plan:
    """Whom and what the site knows. It comes as JSON in the first argument; `netloc` is filled in here."""

    redirect_uri: str
    client_id: str
    client_secret: str
    client_auth: str
    user_name: str
    person_name: str
    email: str
    password: str
    secret: str
    netloc: str = ""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


def serve_wsgi(application: Callable[[Plan], Any]) -> None:
    """Prints the address when calls are answered; ends with its parent, whose end closes the standard input."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    server = _Server(("127.0.0.1", 0), _Quiet)
    netloc = f"127.0.0.1:{server.server_port}"
    server.set_app(application(Plan(**json.loads(sys.argv[1]), netloc=netloc)))
    print(f"http://{netloc}", flush=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server.serve_forever()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)
