"""The supervisor over small processes of its own kind: restart, giving up, stopping, taking over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from apps.cli.tests.fake_platform import parts

from saran.cli.platform import control, process
from saran.cli.platform.process import MARKER, Identity
from saran.cli.platform.state import HomeLock, PartState, Phase, marker, read_state, write_state
from saran.core.errors import SaranError

COMMAND = (sys.executable, str(Path(__file__).with_name("fake_platform.py")))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    control.down(tmp_path)


def start(home: Path, *names: str) -> dict[str, PartState]:
    control.up(home, parts(home), names, command=COMMAND)
    return control.wait_ready(home, names, seconds=30).parts


def part(home: Path, name: str) -> PartState:
    state = read_state(home)
    assert state is not None
    return state.parts[name]


def pid(home: Path, name: str) -> int:
    found = part(home, name).pid
    assert found is not None
    return found


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_starts_in_order_and_stops_whole(home: Path) -> None:
    started = start(home, "second", "steady")
    assert {name: one.phase for name, one in started.items()} == {"second": Phase.READY, "steady": Phase.READY}
    assert (started["steady"].create_time or 0) < (started["second"].create_time or 0), "second needs steady"
    pids = [pid(home, "steady"), pid(home, "second")]
    supervisor = read_state(home)
    assert supervisor is not None

    assert control.down(home) == ["second", "steady"]

    assert not any(map(alive, [*pids, supervisor.supervisor_pid]))
    assert control.down(home) == []


def test_up_twice_keeps_what_runs_and_adds_what_is_missing(home: Path) -> None:
    start(home, "steady")
    before = pid(home, "steady")
    assert control.up(home, parts(home), ["steady"], command=COMMAND) == ()
    assert control.up(home, parts(home), ["steady", "second"], command=COMMAND) == ("second",)
    control.wait_ready(home, ["steady", "second"], seconds=30)
    assert pid(home, "steady") == before


def test_a_part_that_dies_is_started_again_and_counted(home: Path) -> None:
    start(home, "steady")
    first = pid(home, "steady")
    os.kill(first, signal.SIGKILL)
    until(lambda: part(home, "steady").phase is Phase.READY and part(home, "steady").pid not in (None, first))
    assert part(home, "steady").restarts == 1
    assert part(home, "steady").last_exit == "was ended by SIGKILL"


def test_a_part_that_keeps_dying_is_given_up_with_its_last_words(home: Path) -> None:
    control.up(home, parts(home), ["crashing", "steady"], command=COMMAND)
    with pytest.raises(SaranError, match="crashing does not start: ended 5 times") as caught:
        control.wait_ready(home, ["crashing"], seconds=60)
    assert "no such table: gold" in caught.value.message
    assert "exit code 7" in caught.value.message
    assert str(home / "logs" / "crashing.log") in (caught.value.fix or "")
    assert part(home, "crashing").phase is Phase.FAILED
    control.wait_ready(home, ["steady"], seconds=30)
    assert control.up(home, parts(home), ["crashing"], command=COMMAND) == ("crashing",), "another try is allowed"


def test_what_ignores_sigterm_is_killed_with_its_children(home: Path) -> None:
    start(home, "stubborn")
    leader = pid(home, "stubborn")
    until(lambda: bool(psutil.Process(leader).children()))
    child = psutil.Process(leader).children()[0].pid
    control.down(home)
    assert not alive(leader)
    assert not alive(child)


def test_the_next_supervisor_ends_what_a_killed_one_left(home: Path) -> None:
    start(home, "steady", "stubborn")
    old = [pid(home, "steady"), pid(home, "stubborn")]
    children = [child.pid for child in psutil.Process(old[1]).children()]
    state = read_state(home)
    assert state is not None
    os.kill(state.supervisor_pid, signal.SIGKILL)
    until(lambda: not state.supervisor.alive)
    assert all(map(alive, old)), "its parts outlive it"

    new = start(home, "steady")

    assert not any(map(alive, [*old, *children]))
    assert alive(new["steady"].pid or 0)
    assert sum(MARKER in one.environ() for one in psutil.process_iter() if _is_of(one, home)) == 1


def test_a_supervisor_that_is_started_alone_ends_what_a_killed_one_left(home: Path) -> None:
    """`up` stops orphans to get their ports back; a supervisor does too, for it alone holds the home's lock then."""
    start(home, "steady")
    left = pid(home, "steady")
    state = read_state(home)
    assert state is not None
    os.kill(state.supervisor_pid, signal.SIGKILL)
    until(lambda: not state.supervisor.alive)

    with subprocess.Popen(COMMAND, env={**os.environ, "SARAN_HOME": str(home)}, start_new_session=True) as supervisor:
        try:
            new = control.wait_ready(home, ["steady"], seconds=30)
            assert new.supervisor_pid == supervisor.pid
            assert not alive(left)
            assert alive(new.parts["steady"].pid or 0)
        finally:
            control.down(home)


def _is_of(one: psutil.Process, home: Path) -> bool:
    try:
        return one.environ().get(MARKER, "").endswith(f"@{home}")
    except psutil.Error:
        return False


def test_down_ends_what_a_killed_supervisor_left(home: Path) -> None:
    start(home, "steady")
    left = pid(home, "steady")
    state = read_state(home)
    assert state is not None
    os.kill(state.supervisor_pid, signal.SIGKILL)
    until(lambda: not state.supervisor.alive)
    assert control.down(home) == ["steady"]
    assert not alive(left)


def test_a_part_that_was_not_recorded_yet_is_found_by_its_marker(home: Path) -> None:
    start(home, "steady")
    left = pid(home, "steady")
    state = read_state(home)
    assert state is not None
    os.kill(state.supervisor_pid, signal.SIGKILL)
    until(lambda: not state.supervisor.alive)
    (home / "run" / "state.json").unlink()
    assert control.down(home) == ["steady"]
    assert not alive(left)


def test_a_stranger_with_a_recorded_pid_is_left_alone(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        try:
            start(home, "steady")
            control.down(home)
            state = read_state(home)
            assert state is not None
            now = psutil.Process(stranger.pid).create_time()
            state.parts["steady"] = PartState(pid=stranger.pid, create_time=now - 3600)
            write_state(home, state)
            assert control.down(home) == []
            process.stop(
                Identity(stranger.pid, now - 3600), marker(home, "steady"), stop_signal=signal.SIGTERM, patience=0.2
            )
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_two_supervisors_cannot_run_in_one_home(home: Path) -> None:
    start(home, "steady")
    environment = {**os.environ, "SARAN_HOME": str(home)}
    second = subprocess.run(COMMAND, env=environment, timeout=30, check=False)
    assert second.returncode == 3
    assert not HomeLock(home).acquire()


def test_a_port_in_use_is_named_with_its_holder_and_the_fix(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SaranError) as caught:
            control.up(home, parts(home, {"steady": {"kafka": port}}), ["steady"], command=COMMAND)
    assert f"port {port} (kafka)" in caught.value.message
    assert f"pid {os.getpid()}" in caught.value.message
    assert "SARAN_PORT_OFFSET" in (caught.value.fix or "")
    assert "SARAN_PORTS__KAFKA" in (caught.value.fix or "")
    assert not control.supervisor_runs(home)


def test_too_little_memory_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "available_memory", lambda: 100 * 2**20)
    hungry = [one.__class__(**{**vars(one), "memory_mb": 101}) for one in parts(home) if one.name == "steady"]
    with pytest.raises(SaranError, match="take about 101 MiB of memory, and 100 MiB are free"):
        control.up(home, hungry, ["steady"], command=COMMAND)
