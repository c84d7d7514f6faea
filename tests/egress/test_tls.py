import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tieline.egress import AddressPolicy, Egress
from tieline.errors import ProviderUnavailable
from tieline.protocols.http import HttpRequest

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and api.example, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("api.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def test_tls_is_verified_against_the_given_authorities_and_the_name(anywhere, serve, certificate: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    port = await serve(OK, ssl=server)
    policy = AddressPolicy(networks=[ip_network("127.0.0.0/8")])

    async def names(host: str) -> list[str]:
        return ["127.0.0.1"]

    trusting = Egress(policy, lookup=names, ssl_context=ssl.create_default_context(cafile=certificate))
    strict = Egress(policy, lookup=names)

    response = await trusting.send(HttpRequest("GET", f"https://api.example:{port}/"), to=anywhere)
    with pytest.raises(ProviderUnavailable) as unknown_authority:
        await strict.send(HttpRequest("GET", f"https://api.example:{port}/"), to=anywhere)
    with pytest.raises(ProviderUnavailable) as other_name:
        await trusting.send(HttpRequest("GET", f"https://other.example:{port}/"), to=anywhere)

    assert response.body == b"ok"
    assert unknown_authority.value.facts == {"reason": "tls", "host": "api.example", "sent": False}
    assert other_name.value.facts["reason"] == "tls"
    await trusting.close()
    await strict.close()
