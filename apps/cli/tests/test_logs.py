"""`saran logs`: the end of a file, however long its lines are, and what is added while it is followed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saran.cli.logs import show_logs, tail
from saran.core.errors import SaranError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARAN_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    return tmp_path


@pytest.mark.parametrize("width", [1, 100, 5000])
def test_tail_gives_the_last_lines(tmp_path: Path, width: int) -> None:
    path = tmp_path / "part.log"
    path.write_text("".join(f"{number} {'x' * width}\n" for number in range(500)))
    assert [line.split()[0] for line in tail(path, 3)] == ["497", "498", "499"]
    assert len(tail(path, 1000)) == 500
    assert tail(path, 0) == []


def test_lines_of_several_parts_carry_their_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "logs" / "api.log").write_text("one [bold]\n")
    (home / "logs" / "kafka.log").write_text("two\n")
    show_logs(None, follow=False, lines=10)
    assert capsys.readouterr().out.splitlines() == ["api   one [bold]", "kafka two"]


def test_an_unknown_part_is_named_with_those_that_are_there(home: Path) -> None:
    (home / "logs" / "kafka.log").write_text("two\n")
    with pytest.raises(SaranError, match="no log of kafak") as caught:
        show_logs("kafak", follow=False, lines=10)
    assert "logs here: kafka" in (caught.value.fix or "")


def test_follow_shows_what_is_added(home: Path) -> None:
    log = home / "logs" / "kafka.log"
    log.write_text("old\n")
    command = [sys.executable, "-m", "saran.cli", "logs", "kafka", "-f", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "old\n"
            with log.open("a") as file:
                file.write("new\n")
            assert child.stdout.readline() == "new\n"
        finally:
            child.kill()
