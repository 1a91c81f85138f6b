"""`saran upload`: what arrives is what was sent, what is there stays, and only posters are public."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saran.core.errors import SaranError
from saran.core.s3 import S3, S3Path
from saran.core.settings import Settings
from saran.producer.commands import app
from saran.producer.upload import Uploaded, entity_tag, upload

PART = 16 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "movies"
    (folder / "posters" / "old").mkdir(parents=True)
    (folder / "final_movies_dataset.csv").write_text("name\nBrazil\n")
    (folder / "posters" / "1.jpg").write_bytes(b"one")
    (folder / "posters" / "old" / "2.png").write_bytes(b"two")
    (folder / "posters" / "note.txt").write_text("no image")
    (folder / "private.key").write_text("no table")
    return folder


def _upload(folder: Path, s3: S3, dataset: str = "movies") -> Uploaded:
    sizes: list[int] = []
    totals: list[int] = []
    summary = upload(dataset, folder, Settings(s3=s3), found=totals.append, done=sizes.append)
    assert totals == [sum(sizes)], "the bar ends full"
    return summary


def _public(s3: S3, key: str) -> bytes | int:
    try:
        with urllib.request.urlopen(f"{s3.endpoint}/{s3.bucket_prefix}movies/{key}", timeout=5) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_tags_are_md5_of_the_file_or_of_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert entity_tag(file) == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5
    parts = [b"a" * PART, b"b" * 10]
    file.write_bytes(b"".join(parts))
    digests = b"".join(hashlib.md5(part).digest() for part in parts)  # noqa: S324
    assert entity_tag(file) == f"{hashlib.md5(digests).hexdigest()}-2"  # noqa: S324


def test_only_posters_are_public(folder: Path, s3: S3) -> None:
    assert _upload(folder, s3) == Uploaded(f"{s3.bucket_prefix}movies", 3, 0, 12 + 3 + 3, "posters/")
    assert _public(s3, "posters/1.jpg") == b"one"
    assert _public(s3, "posters/old/2.png") == b"two"
    assert _public(s3, "final_movies_dataset.csv") == 403
    assert S3Path(s3, f"{s3.bucket_prefix}movies/final_movies_dataset.csv").read_bytes() == b"name\nBrazil\n"
    assert not S3Path(s3, f"{s3.bucket_prefix}movies/private.key").exists()


def test_what_is_there_is_not_sent_again(folder: Path, s3: S3) -> None:
    big = folder / "more.csv"
    big.write_bytes(b"0123456789abcdef" * (PART // 16) + b"end")
    first = _upload(folder, s3)
    assert (first.sent, first.kept) == (4, 0)
    again = _upload(folder, s3)
    assert (again.sent, again.kept, again.sent_bytes) == (0, 4, 0)
    (folder / "posters" / "1.jpg").write_bytes(b"new")
    changed = _upload(folder, s3)
    assert (changed.sent, changed.kept, changed.sent_bytes) == (1, 3, 3)
    assert _public(s3, "posters/1.jpg") == b"new"
    assert S3Path(s3, f"{s3.bucket_prefix}movies/more.csv").read_bytes() == big.read_bytes()


def test_other_data_sets_lie_below_their_name(folder: Path, s3: S3) -> None:
    assert _upload(folder, s3, "shop").public == "shop/posters/"
    assert _public(s3, "shop/posters/1.jpg") == b"one"
    assert _upload(folder, s3).public == "posters/"
    assert _public(s3, "shop/posters/1.jpg") == b"one", "the first statement stays"


def test_a_bar_for_people_and_json_for_machines(folder: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARAN_S3__ENDPOINT", s3.endpoint)
    monkeypatch.setenv("SARAN_S3__BUCKET_PREFIX", s3.bucket_prefix)
    answer = CliRunner().invoke(app, ["upload", "movies", "--path", str(folder), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["sent"] == 3


def test_what_is_missing_is_named_with_the_fix(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SaranError, match=r"no .csv, .csv.gz or posters/ with images in .*: name the data set's folder"):
        _upload(tmp_path / "movies" / "posters", S3())
    with pytest.raises(SaranError, match="no object store is set: set SARAN_S3__ENDPOINT"):
        _upload(folder, S3())
    nowhere = S3(endpoint="http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SaranError, match="no credentials for the object store: set AWS_ACCESS_KEY_ID"):
        _upload(folder, nowhere)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    with pytest.raises(SaranError, match=r"the store at http://127.0.0.1:9 does not answer.*check SARAN_S3__ENDPOINT"):
        _upload(folder, nowhere)
