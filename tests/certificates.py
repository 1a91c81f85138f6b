"""Certificates for servers on 127.0.0.1, signed by an authority that only tests trust."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """PEM files: who signs, and a server's certificate and key."""

    authority: Path
    certificate: Path
    key: Path


def write_certificates(folder: Path, authority_name: str = "tests") -> Certificates:
    """A new authority's certificate beside `folder`, and in it a server's, under the names that MinIO looks for.

    Who trusts two authorities finds the one that signed by its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = Certificates(folder.with_name(f"{folder.name}-ca.crt"), folder / "public.crt", folder / "private.key")
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(
        authority_name, authority_name, authority, authority, x509.BasicConstraints(ca=True, path_length=0)
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = _certificate("server", authority_name, server, authority, address)
    files.authority.write_bytes(root.public_bytes(Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
    files.key.write_bytes(server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=False)
        .sign(signer, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
