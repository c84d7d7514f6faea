"""Times the hot paths and prints each as a ratio to a baseline of the same run: machines differ, ratios less so.

A benchmark is a function that returns (name, operation, baseline's name, baseline). `make bench ARGS=resolve` runs
those whose name contains the word.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tieline.manifest.resolve import resolve
from tieline.manifest.templates import compile_template
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import About, Vault

Operation = Callable[[], object]
ROUNDS = 5
SECONDS = 0.1


def benchmarks() -> Iterator[tuple[str, Operation, str, Operation]]:
    scope: dict[str, object] = {"subdomain": "acme", "credential": {"accessToken": "token"}}
    template = compile_template("Bearer {{ credential.accessToken }}")
    yield "template render", lambda: template.render(scope), "str.format", lambda: "Bearer {}".format("token")

    about = About("org_1", "credentials", "conn_1", "sealed", "https://api.acme.example")
    vault = Vault(KeyRing.generate())
    plain = b"x" * 512
    sealed = vault.seal(plain, about=about)
    cipher, nonce = AESGCM(bytes(32)), bytes(12)
    yield "vault seal", lambda: vault.seal(plain, about=about), "AES-GCM", lambda: cipher.encrypt(nonce, plain, b"")
    yield "vault open", lambda: vault.open(sealed, about=about), "AES-GCM", lambda: cipher.encrypt(nonce, plain, b"")

    text = Path(__file__).with_name("provider.json").read_text()
    document = json.loads(text)
    yield "resolve a document", lambda: resolve(document), "json.loads", lambda: json.loads(text)


def seconds_per_call(operation: Operation) -> float:
    """The best of several rounds: what disturbs a measurement only makes it slower."""
    started, calls = perf_counter(), 0
    while perf_counter() - started < SECONDS:
        operation()
        calls += 1
    best = float("inf")
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(calls):
            operation()
        best = min(best, (perf_counter() - started) / calls)
    return best


def main(words: list[str]) -> None:
    for name, operation, baseline_name, baseline in benchmarks():
        if words and not any(word in name for word in words):
            continue
        ours, theirs = seconds_per_call(operation), seconds_per_call(baseline)
        print(f"{name:20} {ours * 1e6:9.2f} µs   {ours / theirs:7.1f} x {baseline_name} ({theirs * 1e6:.2f} µs)")
