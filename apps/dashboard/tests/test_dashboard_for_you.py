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


def test_a_card_names_what_brought_it_here(api_url: str) -> None:
    page = _run("new-one")
    assert "because of" not in _drawn(page)
    _click(page, "click-list-b0")
    assert _drawn(page).count("because of <b>Up (1990)</b>") == 7  # a0 … a7 have nothing in common with it


def test_the_list_is_of_the_chosen_categories(api_url: str) -> None:
    page = _run("new-one")
    _click(page, "click-list-b0")
    page.multiselect(key="for_you.category").select("Crime").run()
    assert not page.exception
    assert _cards(page) == [f"a{row}" for row in range(8)]
    assert "counted" not in _words(page)  # the last click did not move this list
    _click(page, "click-list-a0")
    assert _cards(page) == [f"a{row}" for row in range(1, 8)]
    assert re.search(r"counted .*: the order stays as it was", _words(page))


def test_a_diverse_list_mixes_tastes(api_url: str) -> None:
    page = _run("new-one")
    _click(page, "click-list-b0")
    assert [item[0] for item in _cards(page)] == ["b"] * 7 + ["a"] * 8
    page.slider(key="for_you.diversity").set_value(0.9).run()
    assert not page.exception
    assert [item[0] for item in _cards(page)[:2]] == ["b", "a"]


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


def _offered(page: AppTest, item: str) -> list[str]:
    """What can be done with a card of the list, by the keys of its buttons and stars."""
    suffix = f"-list-{item}"
    keys = [widget.key or "" for widget in (*page.button, *page.feedback)]
    return [key.removesuffix(suffix) for key in keys if key.endswith(suffix)]


def test_a_cart_and_a_purchase_are_offered_where_the_data_set_has_them(api_url: str, world: World) -> None:
    world.metrics["about"] |= {"actions": ["view", "add_to_cart", "purchase"], "highest_rating": None}
    world.items[0]["price"] = 9.5
    page = _run("buyer")
    assert _offered(page, "a0") == ["click", "add_to_cart", "purchase", "similar"]
    _click(page, "add_to_cart-list-b0")
    _click(page, "purchase-list-a0")
    assert [(event["action"], event.get("value")) for event in world.posted] == [
        ("add_to_cart", None), ("purchase", 9.5),
    ]  # fmt: skip
    assert "put into the cart" in _drawn(page)
    assert "bought" in _drawn(page)


def test_a_rating_is_offered_where_users_rate_and_is_on_their_scale(api_url: str, world: World) -> None:
    world.metrics["about"]["highest_rating"] = 10.0
    page = _run("critic")
    assert _offered(page, "b0") == ["click", "similar", "rate"]
    page.feedback(key="rate-list-b0").set_value(3).run()
    assert not page.exception
    assert [(event["action"], event["item_id"], event["value"]) for event in world.posted] == [("rate", "b0", 8.0)]
    assert "rated 8" in _drawn(page)
    assert _cards(page)[0] == "b1"


def test_without_facts_of_the_data_set_a_click_is_offered(api_url: str, world: World) -> None:
    world.metrics["about"] = None
    assert _offered(_run("someone"), "a0") == ["click", "similar"]


def test_a_user_with_a_history_can_be_chosen(api_url: str, world: World) -> None:
    world.metrics["suggested_users"] = [
        {"user_id": "414", "history_events": 500, "newest_event": "2018-09-24T14:27:30Z"},
        {"user_id": "7", "history_events": 1, "newest_event": "2018-09-24T14:27:30Z"},
    ]
    page = _run("someone")
    known = page.selectbox(key="for_you.known")
    assert known.options == ["414 · 500 events", "7 · 1 event"]
    known.select("7").run()
    assert not page.exception
    assert page.text_input(key="user").value == "7"
    assert page.selectbox(key="for_you.known").value is None


def test_what_is_not_as_the_source_gave_it_is_labelled(api_url: str, world: World) -> None:
    world.metrics["synthetic"] = True
    world.metrics["about"]["capabilities"] |= {"ages": "derived", "interactions": "simulated"}
    text = _words(_run("someone"))
    assert "synthetic data" in text
    assert "derived: ages" in text
    assert "simulated: interactions" in text


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


def test_strategies_side_by_side(api_url: str, world: World) -> None:
    page = _run("new-one")
    page.segmented_control(key="for_you.view").set_value("Strategies side by side").run()
    assert not page.exception
    assert (_cards(page, "als")[:3], _cards(page, "popular")[:3]) == (["a0", "b0", "a1"],) * 2
    assert "Knows nothing of this history: what is popular" in _words(page)
    assert "no figures" in _words(page)
    _click(page, "click-als-b0")
    assert _cards(page, "als") == [f"b{row}" for row in range(1, 8)] + ["a0", "a1", "a2"]
    assert _cards(page, "popular")[:3] == ["a0", "a1", "b1"]
    drawn = _drawn(page)
    assert "▲ 2" in drawn  # b1 of ALS: place 2 of the list without b0 → 0
    assert drawn.count("because of <b>Up (1990)</b>") == 7
    # b0 would be the first of ALS, and the second of what is popular.
    assert re.findall(r'<li value="(\d+)"><b>Up \(1990\)</b> <span[^>]*>in the history', drawn) == ["1", "2"]
    assert [expander.label for expander in page.expander] == ["1 of its best left out"] * 2
    page.multiselect(key="for_you.category").select("Crime").run()
    assert _cards(page, "als") == [f"a{row}" for row in range(8)]
    assert "not of the chosen categories" in _drawn(page)
    assert page.query_params["view"] == "strategies"
