"""Data: tables as the API tells them, the data set's facts, and the report."""

from __future__ import annotations

from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import run, text_of

from saran.core.settings import load_settings


def _script() -> None:
    from saran.dashboard.views import data

    data.page()


def test_tables_and_what_the_data_set_has(api_url: str, world: World) -> None:
    page = run(_script)
    assert page.dataframe[0].value[["table", "rows", "version", "size", "files"]].values.tolist() == [
        ["silver.events", 100_836, 12, 2**21, 4],
        ["gold.popularity", 9_742, 0, 2**10, 1],
    ]
    assert [(one.label, one.value) for one in page.metric] == [("Silver", "2.0 MiB"), ("Gold", "1.0 KiB")]
    text = text_of(page)
    assert "MovieLens latest small" in text
    assert "**given**: " in text
    assert "users, ratings, titles" in text
    assert "what users do: rate" in text
    assert "`saran explore` makes a report" in text


def test_the_report_is_shown(api_url: str) -> None:
    file = load_settings().home / "explore" / "report.html"
    file.parent.mkdir(parents=True)
    file.write_text("<h1>Shop</h1>")
    page = run(_script)
    assert "by `saran explore`" in text_of(page)
    assert "<h1>Shop</h1>" in page.get("iframe")[0].proto.srcdoc


def test_without_an_api(no_api: str) -> None:
    page = run(_script)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not page.metric
