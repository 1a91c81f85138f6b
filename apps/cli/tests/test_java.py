"""Which Java is chosen, and the home made for the one that comes as a wheel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from saran.cli import java
from saran.core.errors import SaranError


def fake_java(home: Path, version: str) -> Path:
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text('#!/bin/sh\nfor argument do echo "[$argument]"; done\n')
    executable.chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="test"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_wheel_home", lambda: None)


def test_the_order_of_places(tmp_path: Path) -> None:
    homes = {name: fake_java(tmp_path / name, "17.0.1") for name in ("chosen", "home", "path")}
    environment = {
        "SARAN_JAVA": str(homes["chosen"]),
        "JAVA_HOME": str(homes["home"]),
        "PATH": str(homes["path"] / "bin"),
    }
    for name, variable in (("chosen", "SARAN_JAVA"), ("home", "JAVA_HOME"), ("path", "PATH")):
        found = java.find_java(tmp_path, environment)
        assert (found.home, found.version, found.source) == (homes[name], 17, variable)
        del environment[variable]


def test_an_old_java_is_passed_over(tmp_path: Path) -> None:
    old, new = fake_java(tmp_path / "old", "1.8.0_392"), fake_java(tmp_path / "new", "21.0.8")
    found = java.find_java(tmp_path, {"JAVA_HOME": str(old), "PATH": str(new / "bin")})
    assert (found.home, found.version) == (new, 21)


@pytest.mark.usefixtures("no_wheel")
def test_none_is_an_error_that_names_what_was_too_old(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "old", "11.0.2")
    with pytest.raises(SaranError, match=r"no Java 17 or newer; found only JAVA_HOME .*old \(version 11\)") as caught:
        java.find_java(tmp_path, {"JAVA_HOME": str(old), "PATH": ""})
    assert "make setup" in (caught.value.fix or "")


def test_a_chosen_java_that_is_none_is_not_replaced_in_silence(tmp_path: Path) -> None:
    other = fake_java(tmp_path / "other", "21.0.8")
    with pytest.raises(SaranError, match="SARAN_JAVA"):
        java.find_java(tmp_path, {"SARAN_JAVA": str(tmp_path / "nothing"), "JAVA_HOME": str(other), "PATH": ""})


def test_the_wheels_java_drops_the_one_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = fake_java(tmp_path / "a runtime", "21.0.8")
    monkeypatch.setattr(java, "_wheel_home", lambda: runtime)
    found = java.find_java(tmp_path / "cache", {"PATH": ""})
    assert found.source == java.WHEEL
    assert found.home.is_relative_to(tmp_path / "cache")
    assert (found.home / "release").read_text() == (runtime / "release").read_text()
    arguments = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "-Da=b c", "--add-modules=java.sql", "Main", ""]
    said = subprocess.run([found.executable, *arguments], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[-Xmx1g]", "[-Da=b c]", "[--add-modules=java.sql]", "[Main]", "[]"]


def test_proxy_and_own_flags_reach_a_java_that_downloads(tmp_path: Path) -> None:
    environment = {
        "HTTPS_PROXY": "http://user:secret@proxy.example:3128",
        "NO_PROXY": "localhost,.intern",
        "SARAN_JAVA_OPTS": "-Da=1 '-Db=two words'",
    }
    options = java.network_options(java.Java(tmp_path, 17, "PATH"), tmp_path, environment)
    assert options == [
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttp.nonProxyHosts=localhost|*.intern",
        "-Da=1",
        "-Db=two words",
    ]
    with pytest.raises(SaranError, match="SARAN_JAVA_OPTS cannot be split"):
        java.java_options({"SARAN_JAVA_OPTS": "-Da='"})


def test_certificates_of_ssl_cert_file_become_a_trust_store(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import pkcs12

    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(_certificate("one") + b"words between\n" + _certificate("two"))
    environment = {"SSL_CERT_FILE": str(bundle)}
    options = dict(
        option.removeprefix("-Djavax.net.ssl.").split("=", 1)
        for option in java.network_options(java.Java(tmp_path, 17, "PATH"), tmp_path, environment)
    )
    store = pkcs12.load_pkcs12(Path(options["trustStore"]).read_bytes(), options["trustStorePassword"].encode())
    names = {one.certificate.subject.rfc4514_string() for one in store.additional_certs}
    assert names == {"CN=one", "CN=two"}
    assert options["trustStoreType"] == "PKCS12"

    bundle.write_text("no certificate")
    with pytest.raises(SaranError, match="holds no certificate"):
        java.network_options(java.Java(tmp_path, 17, "PATH"), tmp_path, environment)


def _certificate(name: str) -> bytes:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    return builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
