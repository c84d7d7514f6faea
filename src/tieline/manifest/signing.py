"""The two filters that need a key pair: `sign` and `keyFingerprint`."""

import hashlib
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from tieline.manifest.values import Unrenderable, bytes_of, text_of

_PKCS1: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha1": hashes.SHA1(),  # noqa: S303  some providers sign with nothing better
    "rsa-sha256": hashes.SHA256(),
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}
_PSS: dict[str, hashes.HashAlgorithm] = {"rsa-pss-sha256": hashes.SHA256(), "PS256": hashes.SHA256()}
_ECDSA: dict[str, hashes.HashAlgorithm] = {
    "ecdsa-p256-sha256": hashes.SHA256(),
    "ecdsa-p384-sha384": hashes.SHA384(),
    "ES256": hashes.SHA256(),
    "ES384": hashes.SHA384(),
}
_EDDSA = frozenset({"ed25519", "EdDSA"})
ALGORITHMS = frozenset({*_PKCS1, *_PSS, *_ECDSA, *_EDDSA})


def sign(value: object, algorithm: object, key: object) -> bytes:
    """The signature of the bytes under a private key in PEM. ES256 and ES384 give r and s as JWS does, not DER."""
    name, private, data = algorithm_of(algorithm), _private_key(text_of(key)), bytes_of(value)
    match private:
        case rsa.RSAPrivateKey() if name in _PKCS1:
            return private.sign(data, padding.PKCS1v15(), _PKCS1[name])
        case rsa.RSAPrivateKey() if name in _PSS:
            salt = padding.PSS(padding.MGF1(_PSS[name]), padding.PSS.DIGEST_LENGTH)
            return private.sign(data, salt, _PSS[name])
        case ec.EllipticCurvePrivateKey() if name in _ECDSA:
            return _ecdsa(private, data, name)
        case ed25519.Ed25519PrivateKey() if name in _EDDSA:
            return private.sign(data)
        case _:
            raise Unrenderable(f"The key is not one for {name}.")


def algorithm_of(algorithm: object) -> str:
    name = text_of(algorithm)
    if name not in ALGORITHMS:
        raise Unrenderable(f"A signature is one of {', '.join(sorted(ALGORITHMS))}.")
    return name


def key_fingerprint(value: object) -> bytes:
    """SHA-256 over the public key (DER, SubjectPublicKeyInfo) of a private or public key in PEM."""
    der = _public_key(text_of(value)).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).digest()


def _ecdsa(private: ec.EllipticCurvePrivateKey, data: bytes, name: str) -> bytes:
    bits = 384 if "384" in name else 256
    if private.curve.name != f"secp{bits}r1":
        raise Unrenderable(f"The key is not one for {name}.")
    signature = private.sign(data, ec.ECDSA(_ECDSA[name]))
    if not name.startswith("ES"):
        return signature
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(bits // 8, "big") + s.to_bytes(bits // 8, "big")


def _public_key(pem: str) -> PublicKeyTypes:
    if "PRIVATE KEY" in pem:
        return _private_key(pem).public_key()
    try:
        return serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Unrenderable("This is no key in PEM.") from None


@lru_cache(maxsize=64)  # reading an RSA key proves its primes: up to 300 ms
def _private_key(pem: str) -> PrivateKeyTypes:
    if len(pem) > 4096:
        raise Unrenderable("This is no key in PEM.")
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unrenderable("This is no private key in PEM, or it is encrypted.") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size > 4096:
        raise Unrenderable("An RSA key may have at most 4096 bits.")
    return key
