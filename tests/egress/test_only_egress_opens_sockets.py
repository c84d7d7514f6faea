"""A call around egress would be a call without its checks, so nothing else may import what could make one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tieline

ROOT = Path(tieline.__file__).parent

# The others run on the user's or the developer's own machine, with addresses that these chose.
FREE = {"egress", "testing", "client", "demo", "cli"}

NETWORK = {
    "aiohttp",
    "aiosmtplib",
    "ftplib",
    "http.client",
    "httpcore",
    "httpx",
    "httpx2",
    "imaplib",
    "poplib",
    "requests",
    "smtplib",
    "socket",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "websockets",
    "xmlrpc.client",
}
DIALLING = {"create_connection", "create_datagram_endpoint", "open_connection", "sock_connect", "urlopen"}

# connections/ gives applications an httpx2 client whose transport hands each request to egress, and the hub and the
# server name the types of what they pass on.
ALLOWED = {("connections", "httpx2"), ("hub.py", "httpx2"), ("api", "socket")}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if network(name.name))
            case ast.ImportFrom(module=str(module), names=names, level=0):
                if network(module):
                    yield module
                else:
                    yield from (f"{module}.{name.name}" for name in names if network(f"{module}.{name.name}"))
                    yield from (name.name for name in names if name.name in DIALLING)
            case ast.Attribute(attr=attribute) if attribute in DIALLING:
                yield attribute
            case ast.Call(func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"), args=[first, *_]):
                if isinstance(first, ast.Constant) and network(str(first.value)):
                    yield str(first.value)
            case _:
                pass


def network(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in NETWORK)


def test_only_egress_opens_sockets() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {offence}"
        for file in ROOT.rglob("*.py")
        if (package := file.relative_to(ROOT).parts[0]) not in FREE
        for offence in offences(file.read_text())
        if (package, offence) not in ALLOWED
    }

    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "import aiohttp",
        "import socket as s",
        "from http import client",
        "from http.client import HTTPSConnection",
        "import urllib.request",
        "from urllib import request",
        "def f():\n    import requests",
        "from asyncio import open_connection",
        "asyncio.open_connection('a', 1)",
        "loop.create_connection(f, 'a', 1)",
        "importlib.import_module('httpx')",
    ],
)
def test_each_way_around_egress_is_noticed(source: str) -> None:
    assert list(offences(source))


def test_names_alone_are_not_ways_around() -> None:
    assert not list(offences("from http import HTTPStatus\nfrom urllib.parse import urlsplit\nimport asyncio, ssl"))
