"""By age: which items, and where their class is said to come from; and which data sets have the page."""

from __future__ import annotations

import pytest
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import drawn_html, run, text_of

from saran.core.api_shapes import UsersOfAge
from saran.core.datasets import actions_of, highest_rating, load_spec
from saran.core.settings import Settings
from saran.core.system_shapes import DatasetFacts
from saran.dashboard.navigation import entries


def _script() -> None:
    from saran.dashboard.views import by_age

    by_age.page()


@pytest.fixture
def aged(world: World) -> World:
    """Items a0 … a3 are for everybody, a4 … a7 from 13 on; the others have no class."""
    for row, item in enumerate(world.items[:8]):
        item["age_rating"] = "all" if row < 4 else "13+"
    return world


def _titles(html: str) -> list[str]:
    return [part.split('"', 1)[0] for part in html.split('aria-label="')[1:]]


def test_a_child_sees_what_is_for_everybody(aged: World, api_url: str) -> None:
    page = run(_script, age="12")
    assert _titles(drawn_html(page)) == ["Heat (1990)", "Ronin (1991)", "Casino (1992)", "Collateral (1993)"]
    html = drawn_html(page)
    assert (html.count(">all<"), html.count(">13+<")) == (4, 0)
    assert (html.count("class derived"), html.count("class given")) == (1, 3)
    assert "data as of 2026-05-04 03:02 UTC" in text_of(page)


def test_an_age_of_its_own_class(aged: World, api_url: str) -> None:
    page = run(_script)
    assert page.slider[0].value == 13
    assert len(_titles(drawn_html(page))) == 8
    page.toggle(key="by_age.own").set_value(True).run()
    assert _titles(drawn_html(page))[0] == "Thief (1994)"
    assert len(_titles(drawn_html(page))) == 4
    page.slider[0].set_value(5).run()
    assert page.query_params["age"] == "5"
    assert _titles(drawn_html(page))[0] == "Heat (1990)"


def test_what_users_of_the_age_like_is_said(aged: World, api_url: str) -> None:
    assert "users of" not in text_of(run(_script, age="12"))
    aged.of_age = UsersOfAge(name="0-12", people=1412)
    page = run(_script, age="12")
    assert "first what 1,412 users of 0-12 years like, then what everybody likes" in text_of(page)
    html = drawn_html(page)
    assert [f"liked by {users} of 0-12" in html for users in range(4)] == [False, True, True, True]


def test_in_bahasa_indonesia(aged: World, api_url: str) -> None:
    aged.metrics["about"]["languages"] = ["id", "en"]
    page = run(_script, age="7")
    assert page.title[0].value == "Rekomendasi per Usia"
    assert "Untuk usia 7 tahun" in text_of(page)
    assert "kelas diturunkan" in drawn_html(page)


def test_no_age_class_is_no_list(api_url: str) -> None:
    page = run(_script)
    text = text_of(page)
    assert "Nothing for this age" in text
    assert "no item of this model has an age rating" in text
    assert not drawn_html(page)


@pytest.mark.parametrize("address", ["-1", "abc", "9999", "¹"])
def test_an_address_that_names_no_age(aged: World, api_url: str, address: str) -> None:
    assert run(_script, age=address).slider[0].value == 13


def test_an_api_that_goes_away_leaves_the_last_list_called_stale(
    aged: World, api_url: str, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saran.dashboard import connection

    page = run(_script)
    monkeypatch.setenv("SARAN_API_URL", f"http://127.0.0.1:{unused_port}")
    for one in (connection.api, connection.settings):
        one.clear()
    page.run()
    text = text_of(page)
    assert "The API is away" in text
    assert "What follows is **stale**" in text
    assert len(_titles(drawn_html(page))) == 8
    page.slider[0].set_value(30).run()
    assert "stale" not in text_of(page)
    assert not drawn_html(page)


def _facts(name: str) -> DatasetFacts:
    spec = load_spec(name, Settings())
    return DatasetFacts(
        title=spec.title, terms=spec.terms, capabilities=spec.capabilities, actions=actions_of(spec),
        highest_rating=highest_rating(spec), languages=spec.languages,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("movies", {"Movie Like This", "Rekomendasi per Usia"}, set()),
        ("movielens", {"More like this", "Models", "Trending"}, {"By age", "Funnel", "Segments", "Will they buy"}),
        ("retailrocket", {"Funnel", "Segments", "Will they buy"}, {"More like this", "By age"}),
        ("amazon", {"More like this", "Segments"}, {"By age"}),
    ],
)
def test_a_page_is_there_where_the_data_set_has_what_it_needs(name: str, there: set[str], absent: set[str]) -> None:
    titles = {one.title for one in entries(_facts(name))}
    assert there | {"Dashboard", "For you"} <= titles
    assert not absent & titles
