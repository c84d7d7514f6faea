import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tieline.manifest.filters import FILTERS
from tieline.manifest.templates import Missing, Unrenderable, compile_template

NAMES = """
base64 base64decode base64url hex sha1 sha256 sha512 md5 hmac sign json fromJson xml urlencode urldecode lower upper
trim replace slice split join match default first last single get where sort claims date plus seconds sortedConcat
keyLines cookieHeader keyFingerprint
"""
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def pipe(value: object, filters: str, **scope: object) -> object:
    return compile_template("{{ v | " + filters + " }}").render({"v": value, "now": NOW, **scope})


def pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_the_filters_are_those_of_the_language():
    assert set(FILTERS) == set(NAMES.split())


@pytest.mark.parametrize(
    ("value", "filters", "expected"),
    [
        ("héllo?>", "base64", "aMOpbGxvPz4="),
        ("héllo?>", "base64url", "aMOpbGxvPz4"),
        (b"\xfb\xff", "base64", "+/8="),
        (b"\xfb\xff", "base64url", "-_8"),
        ("-_8", "base64decode", b"\xfb\xff"),
        ("+/8=", "base64decode", b"\xfb\xff"),
        ("aGk", "base64decode | upper", "HI"),
        ("é", "hex", "c3a9"),
        ("abc", "md5 | hex", "900150983cd24fb0d6963f7d28e17f72"),
        ("abc", "sha1 | hex", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("abc", "sha256", hashlib.sha256(b"abc").digest()),
        ("abc", "sha512", hashlib.sha512(b"abc").digest()),
        # RFC 4231, test case 2
        (
            "what do ya want for nothing?",
            "hmac('sha256', 'Jefe') | hex",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ({"a": [1, True, None, "é\n"]}, "json", '{"a":[1,true,null,"é\\n"]}'),
        (b'{"a":"b"}', "json", '"{\\"a\\":\\"b\\"}"'),
        ('{"a":[1.5]}', "fromJson | get('a') | first", 1.5),
        ("<a href='x'>&", "xml", "&lt;a href=&#x27;x&#x27;&gt;&amp;"),
        ("a b/c?é", "urlencode", "a%20b%2Fc%3F%C3%A9"),
        ({"a": "b c", "d": 1}, "urlencode", "a=b%20c&d=1"),
        ("a%20b%2Fc+d", "urldecode", "a b/c+d"),
        ("ÀB", "lower", "àb"),
        ("àb", "upper", "ÀB"),
        (" \ta\n", "trim", "a"),
        ("a.b.c", "replace('.', '-')", "a-b-c"),
        ("abc", "slice(1)", "bc"),
        ("abc", "slice(0, -1)", "ab"),
        (b"abc", "slice(1, 2)", b"b"),
        ([1, 2, 3], "slice(1)", [2, 3]),
        ("a, b", "split(', ')", ["a", "b"]),
        (["a", None, 1, True], "join(':')", "a::1:true"),
        (["a", "b"], "join", "ab"),
        ('keyid="k", x', 'match(\'keyid="([^"]+)"\')', "k"),
        ("abc123", r"match('\d+')", "123"),
        ([1, 2], "first", 1),
        ([1, 2], "last", 2),
        ([1], "single", 1),
        ({"a-b": 1}, "get('a-b')", 1),
        ([{"id": 1, "n": "x"}, {"id": 2}], "where('id', '1') | first | get('n')", "x"),
        (["b", "B", "a", None], "sort", [None, "B", "a", "b"]),
        ([10, 9, 1.5], "sort", [1.5, 9, 10]),
        ([10, "9"], "sort", [10, "9"]),
        ({"b": "2", "a": "1", "c": ["y", "x", "y"], "d": ""}, "sortedConcat", "a1b2cxcyd"),
        ({"B": 1, "A": "x", "C": None}, "keyLines(['A', 'C', 'Z', 'B'])", "A\nx\nB\n1\n"),
        ({"sid": "1", "csrf": "t"}, "cookieHeader", "sid=1; csrf=t"),
        (["sid=1; Path=/; HttpOnly", "a=b"], "cookieHeader", "sid=1; a=b"),
        (90, "seconds('minutes')", 5400),
        ("1500", "seconds('milliseconds')", 1),
        ("0.5", "seconds('hours')", 1800),
    ],
)
def test_each_filter_does_what_it_says(value: object, filters: str, expected: object):
    assert pipe(value, filters) == expected


@pytest.mark.parametrize(
    ("value", "filters", "expected"),
    [
        (NOW, "date('iso8601')", "2026-01-02T03:04:05Z"),
        (NOW, "date('rfc1123')", "Fri, 02 Jan 2026 03:04:05 GMT"),
        (NOW, "date('epoch')", 1767323045),
        (NOW, "date('epochMs')", 1767323045678),
        (NOW, "date('%Y%m%d %H%M%S %f %j %y %b %B %a %A %I%p %% %z %Z')",
         "20260102 030405 678000 002 26 Jan January Fri Friday 03AM % +0000 UTC"),
        (1767323045, "date('iso8601')", "2026-01-02T03:04:05Z"),
        ("1767323045678", "date('iso8601')", "2026-01-02T03:04:05Z"),
        ("2026-01-02T05:04:05+02:00", "date('iso8601')", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05", "date('epoch')", 1767323045),
        ("Fri, 02 Jan 2026 03:04:05 GMT", "date('epoch')", 1767323045),
        (NOW, "plus('1h') | date('epoch')", 1767326645),
        (NOW, "plus(-5) | date('epoch')", 1767323040),
        (NOW, "plus('2 days') | date('%d')", "04"),
        (NOW, "plus('-P1DT1H') | date('epoch')", 1767323045 - 90000),
        (100, "plus('1m')", 160),
    ],
)  # fmt: skip
def test_moments_are_read_moved_and_written(value: object, filters: str, expected: object):
    assert pipe(value, filters) == expected


@pytest.mark.parametrize(
    ("value", "filters"),
    [([], "first"), ([], "last"), ([1, 2], "single"), ({}, "get('a')"), ("abc", "match('x')"), ("b", "match('(a)?b')")],
)
def test_what_is_not_found_is_no_value(value: object, filters: str):
    with pytest.raises(Missing):
        pipe(value, filters)


@pytest.mark.parametrize(
    ("value", "filters"),
    [
        ("a*", "base64decode"),
        (b"\xff", "upper"),
        ("{", "fromJson"),
        ("NaN", "fromJson"),
        ("x", "join"),
        ("x", "first"),
        ([[1]], "sort"),
        ("x", "sortedConcat"),
        ({"a": {}}, "sortedConcat"),
        ("a", "replace('', 'x')"),
        ("a", "split('')"),
        ("a", "slice('1')"),
        ("a.b", "claims"),
        ("a.W10.c", "claims"),
        ("tomorrow", "date('epoch')"),
        (1e300, "date('epoch')"),
        (NOW, "plus(999999999999999)"),
        ("x", "seconds('days')"),
        ({"a": "b; c"}, "cookieHeader"),
        (["a\r\nb=c"], "cookieHeader"),
        ("\ud800", "sha1"),
        ("\ud800", "match('x')"),
        ("x" * 70_000, "match('x')"),
        ("a", "sign('RS256', 'no key')"),
        ("no key", "keyFingerprint"),
    ],
)
def test_what_does_not_fit_is_refused_without_being_shown(value: object, filters: str):
    with pytest.raises(Unrenderable) as fault:
        pipe(value, filters)

    assert "tomorrow" not in str(fault.value)


def test_claims_reads_the_payload_of_a_jwt_that_nobody_signed():
    payload = base64.urlsafe_b64encode(json.dumps({"sub": "é"}).encode()).rstrip(b"=").decode()

    assert pipe(f"e30.{payload}.", "claims | get('sub')") == "é"


def test_what_no_database_takes_does_not_come_out_of_json():
    payload = base64.urlsafe_b64encode(rb'{"sub": "a\ud800\u0000"}').rstrip(b"=").decode()

    assert pipe(f"e30.{payload}.", "claims | get('sub')") == "a\ufffd\ufffd"


def test_a_header_can_be_made_in_one_line():
    digest = hashlib.sha1(b"n2026-01-02T03:04:05Zpw").hexdigest().encode()

    text = compile_template(
        "UsernameToken PasswordDigest=\"{{ (uuid ~ (now | date('iso8601')) ~ password) | sha1 | hex | base64 }}\""
    ).render({"uuid": "n", "now": NOW, "password": "pw"})

    assert text == f'UsernameToken PasswordDigest="{base64.b64encode(digest).decode()}"'


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def _jws_ecdsa(signature: bytes) -> None:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    P256.public_key().verify(utils.encode_dss_signature(r, s), b"data", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("algorithm", "key", "verify"),
    [
        ("RS256", RSA, lambda s: RSA.public_key().verify(s, b"data", padding.PKCS1v15(), hashes.SHA256())),
        ("rsa-sha1", RSA, lambda s: RSA.public_key().verify(s, b"data", padding.PKCS1v15(), hashes.SHA1())),
        (
            "rsa-pss-sha256",
            RSA,
            lambda s: RSA.public_key().verify(
                s, b"data", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
            ),
        ),
        ("ES256", P256, _jws_ecdsa),
        ("ecdsa-p256-sha256", P256, lambda s: P256.public_key().verify(s, b"data", ec.ECDSA(hashes.SHA256()))),
        ("EdDSA", ED, lambda s: ED.public_key().verify(s, b"data")),
        ("ed25519", ED, lambda s: ED.public_key().verify(s, b"data")),
    ],
)
def test_a_signature_verifies_under_the_public_key(
    algorithm: str, key: PrivateKeyTypes, verify: Callable[[bytes], None]
):
    verify(cast(bytes, pipe("data", f"sign('{algorithm}', key)", key=pem(key))))


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", P256), ("ES384", P256), ("ES256", RSA), ("RS256", ED)])
def test_a_key_of_another_kind_does_not_sign(algorithm: str, key: PrivateKeyTypes):
    with pytest.raises(Unrenderable, match=algorithm):
        pipe("data", f"sign('{algorithm}', key)", key=pem(key))


def test_the_fingerprint_of_both_halves_is_that_of_the_public_key():
    public = RSA.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    assert pipe(pem(RSA), "keyFingerprint") == hashlib.sha256(der).digest()
    assert pipe(public_pem.decode(), "keyFingerprint") == hashlib.sha256(der).digest()
