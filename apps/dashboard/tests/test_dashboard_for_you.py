"""For you: choosing a user, clicking, searching, and the states in between."""

from __future__ import annotations

import re

from apps.dashboard.tests.api_double import World
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Html


def _script() -> None:
    from saran.dashboard.views import for_you

    for_you.page()


def _run(user: str | None = None) -> AppTest:
    page = AppTest.from_function(_script, default_timeout=20)
    if user is not None:
        page.query_params["user"] = user
    page.run()
    assert not page.exception
    return page


def _cards(page: AppTest, where: str = "list") -> list[str]:
    """Item ids of the cards in a grid, in order."""
    prefix = f"click-{where}-"
    keys = [button.key or "" for button in page.button]
    return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]


def _click(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()
    assert not page.exception


def _words(page: AppTest) -> str:
    parts = (page.markdown, page.caption, page.warning, page.info, page.error, page.success, page.subheader)
    return "\n".join(str(element.value) for group in parts for element in group).replace("\\", "")


def _drawn(page: AppTest) -> str:
    return "".join(element.value for element in page.get("html") if isinstance(element, Html))


def test_a_stranger_gets_the_popular_list_and_is_told_so(api_url: str) -> None:
    page = _run()
    assert re.fullmatch(r"guest-[0-9a-f]{6}", page.text_input(key="user").value or "")
    assert _cards(page)[:4] == ["a0", "b0", "a1", "b1"]
    text = _words(page)
    assert "popular" in text
    assert "nothing is known of this user yet" in text
    assert "model v7" in text
    assert "No events yet" in text


def test_a_click_changes_the_list_and_marks_what_moved(api_url: str, world: World) -> None:
    page = _run("new-one")
    _click(page, "click-list-b0")
    assert _cards(page) == [f"b{row}" for row in range(1, 8)] + [f"a{row}" for row in range(8)]
    text = _words(page)
    assert "personal" in text
    assert "from 1 event of this user" in text
    assert re.search(r"Up \(1990\)\*\* counted \d+ m?s after Kafka acknowledged it: 1 new, 6 up, 8 down", text)
    drawn = _drawn(page)
    assert "▲ 2" in drawn  # b1: place 2 of the list without b0 (a0 a1 b1 …) → 0
    assert "saran-fresh" in drawn
    assert world.posted[0]["action"] == "click"
    assert world.posted[0]["user_id"] == "new-one"


def test_a_second_click_counts_from_the_list_it_was_made_on(api_url: str) -> None:
    page = _run("new-one")
    _click(page, "click-list-b0")
    _click(page, "click-list-b1")
    assert "the order stays as it was" in _words(page)
    assert "from 2 events" in _words(page)


def test_inventing_a_user_begins_anew(api_url: str) -> None:
    page = _run("new-one")
    _click(page, "click-list-b0")
    page.button[0].click().run()
    assert (page.text_input(key="user").value or "").startswith("guest-")
    assert "counted" not in _words(page)
    assert _cards(page)[:2] == ["a0", "b0"]


def test_a_title_is_searched_and_clicked(api_url: str) -> None:
    page = _run("new-one")
    page.text_input(key="for_you.search").set_value("ronin").run()
    assert _cards(page, "found") == ["a1"]
    _click(page, "click-found-a1")
    assert _cards(page)[:3] == ["a0", "a2", "a3"]
    page.text_input(key="for_you.search").set_value("nowhere").run()
    assert "No title holds “nowhere”" in _words(page)


def test_more_like_this(api_url: str) -> None:
    page = _run("new-one")
    _click(page, "similar-list-a1")
    assert "Ronin (1991)" in page.expander[0].label.replace("\\", "")
    assert _cards(page, "similar")[:3] == ["a0", "a2", "a3"]


def test_a_cart_is_offered_where_items_have_a_price(api_url: str, world: World) -> None:
    world.items[0]["price"] = 9.5
    page = _run("buyer")
    carts = [button.key for button in page.button if (button.key or "").startswith("add_to_cart-")]
    assert carts == ["add_to_cart-list-a0"]
    _click(page, "add_to_cart-list-a0")
    assert world.posted[0]["action"] == "add_to_cart"
    assert "put into the cart" in _drawn(page)


def test_a_click_that_kafka_cannot_keep_is_said_and_changes_nothing(api_url: str, world: World) -> None:
    world.kafka_away = True
    page = _run("new-one")
    _click(page, "click-list-b0")
    assert "The click was not kept: Kafka does not answer" in _words(page)
    assert _cards(page)[:2] == ["a0", "b0"]


def test_a_worker_that_is_behind_is_said(api_url: str, world: World) -> None:
    world.worker_away = True
    page = _run("new-one")
    _click(page, "click-list-b0")
    assert "is kept in Kafka, but after 3 s" in _words(page)
    world.histories["new-one"].append({"value": None, **world.posted[0]})
    page.button(key="look-again").click().run()
    assert _cards(page)[0] == "b1"


def test_a_history_that_cannot_be_read_is_said(api_url: str, world: World) -> None:
    world.degraded = True
    assert "this user's history cannot be read at the moment" in _words(_run("new-one"))


def test_before_the_first_training(api_url: str, world: World) -> None:
    world.recommender = None
    text = _words(_run())
    assert "No model yet" in text
    assert "saran train" in text


def test_without_an_api(no_api: str) -> None:
    text = _words(_run())
    assert "The API is away" in text
    assert no_api in text
