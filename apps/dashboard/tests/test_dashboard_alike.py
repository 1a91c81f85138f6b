"""More like this: from a title to what is like it, by content and by behaviour."""

from __future__ import annotations

import pytest
from apps.dashboard.tests.api_double import World
from apps.dashboard.tests.page_words import drawn_html, run, text_of
from streamlit.testing.v1 import AppTest


def _script() -> None:
    from saran.dashboard.views import alike

    alike.page()


def _cards(page: AppTest, where: str) -> list[str]:
    prefix = f"choose-{where}-"
    return [(button.key or "").removeprefix(prefix) for button in page.button if (button.key or "").startswith(prefix)]


def test_it_begins_with_what_is_popular(api_url: str) -> None:
    page = run(_script)
    assert _cards(page, "popular")[:4] == ["a0", "b0", "a1", "b1"]
    assert "score" not in drawn_html(page)


def test_a_title_is_found_chosen_and_compared(api_url: str, world: World) -> None:
    world.by_content = ["b6", "a2", "b7"]
    page = run(_script)
    page.text_input(key="alike.search").set_value("ronin").run()
    assert _cards(page, "found") == ["a1"]
    page.button(key="choose-found-a1").click().run()
    assert not page.exception
    assert page.text_input(key="alike.search").value == ""
    assert page.query_params["item"] == "a1"
    assert _cards(page, "content") == ["b6", "a2", "b7"]
    assert _cards(page, "behaviour")[:7] == ["a0", "a2", "a3", "a4", "a5", "a6", "a7"]
    # Only a2 is in both lists, which says so in each.
    assert drawn_html(page).count("✓✓") == 2
    text = text_of(page)
    assert "✓✓ 1 of 3 are in both lists" in text
    assert "Ronin (1991)" in text
    assert "model v7" in text


def test_a_list_leads_to_the_next(api_url: str) -> None:
    page = run(_script, item="a1")
    page.button(key="choose-behaviour-a3").click().run()
    assert page.query_params["item"] == "a3"
    assert "Collateral (1993)" in text_of(page)


def test_a_model_without_content_says_so_beside_the_other_list(api_url: str) -> None:
    page = run(_script, item="a1")
    assert "does not know which items are alike by content" in text_of(page)
    assert _cards(page, "behaviour")[0] == "a0"
    assert "in both lists" not in text_of(page)


def test_an_item_that_is_not_known(api_url: str) -> None:
    page = run(_script, item="nothing")
    assert "knows no item nothing" in text_of(page)
    assert not _cards(page, "behaviour")


def test_a_search_without_a_hit(api_url: str) -> None:
    page = run(_script)
    page.text_input(key="alike.search").set_value("*nowhere*").run()
    assert "No title holds “*nowhere*”" in text_of(page)


def test_the_movies_are_in_their_own_language_and_in_english(api_url: str, world: World) -> None:
    world.metrics["about"]["languages"] = ["id", "en"]
    page = run(_script, item="a1")
    assert page.title[0].value == "Movie Like This"
    assert "Berdasarkan penonton" in text_of(page)
    assert "skor 1.000" in drawn_html(page)
    page.button_group(key="language-choice").set_value("en").run()
    assert page.title[0].value == "More like this"
    assert "By behaviour" in text_of(page)
    assert run(_script, item="a1", lang="en").title[0].value == "More like this"


@pytest.mark.parametrize("address", [{}, {"item": "a1"}])
def test_without_an_api(no_api: str, address: dict[str, str]) -> None:
    page = run(_script, **address)
    assert f"The API at {no_api} does not answer." in text_of(page)
    assert not drawn_html(page)


def test_before_the_first_training(api_url: str, world: World) -> None:
    world.recommender = None
    page = run(_script)
    assert "No model yet" in text_of(page)
    assert not drawn_html(page)
