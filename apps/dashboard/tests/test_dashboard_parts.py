"""The small parts without a page: words, moves, pictures, cards, the trail of counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from saran.core.api_shapes import Card, PastEvent, RankedCard
from saran.core.entities import Action
from saran.core.model_folder import Metric
from saran.dashboard import words
from saran.dashboard.moves import moves
from saran.dashboard.standin import initials, stand_in
from saran.dashboard.trail import Gain, Trail
from saran.dashboard.views.model_card import metric_name, verdict
from saran.dashboard.widgets import card_html, deed, history_html, pictures

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.24, "240 ms"), (12.4, "12 s"), (180, "3 min"), (18_000, "5 h"), (172_800, "2 d"), (-1, "0 ms")],
)
def test_a_duration_has_one_unit(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_what_is_unknown_is_a_dash_and_zero_is_zero() -> None:
    assert [words.count(None), words.rate(None), words.moment(None), words.memory(None)] == ["–"] * 4
    assert [words.size(n) for n in (0, 1023, 1024, 3 * 2**29)] == ["0 B", "1023 B", "1.0 KiB", "1.5 GiB"]
    assert [words.count(0), words.rate(0), words.rate(2.25), words.rate(11_904.8)] == [
        "0",
        "0 /s",
        "2.2 /s",
        "11,905 /s",
    ]


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    from datetime import timezone

    assert words.moment(datetime(2018, 9, 24, 21, 27, tzinfo=timezone(timedelta(hours=7)))) == "2018-09-24 14:27 UTC"
    assert words.ago(NOW - timedelta(seconds=12), NOW) == "12 s ago"
    assert words.ago(NOW + timedelta(seconds=12), NOW) == "just now"


def test_data_is_no_markdown() -> None:
    assert words.literal("*a* [b](c) $d$") == "\\*a\\* \\[b\\]\\(c\\) \\$d\\$"


def test_commands_in_a_message_stay_code() -> None:
    assert words.message("no *model*: run `saran train`") == r"no \*model\*\: run `saran train`"
    assert words.message("a ` alone") == r"a \` alone"


def test_moves_leave_out_the_place_that_the_used_item_frees() -> None:
    found = moves(["a", "b", "c", "d"], ["b", "d", "c", "e"], used="a")
    assert found.new == {"e"}
    assert found.steps == {"b": 0, "d": 1, "c": -1}
    assert (found.up, found.down) == (1, 1)
    assert not moves(["a", "b", "c"], ["b", "c"], used="a")


@pytest.mark.parametrize(
    ("title", "letters"),
    [
        ("Heat (1995)", "H"),
        ("The Big Sleep", "BS"),
        ("Matrix, The (1999)", "M"),
        ("2001: A Space Odyssey", "2S"),
        ("…", "?"),
    ],
)
def test_initials_are_of_the_words_that_carry_the_title(title: str, letters: str) -> None:
    assert initials(title) == letters


def test_a_stand_in_is_whole_xml_the_same_each_time_and_of_the_item() -> None:
    uri = stand_in("7", '<&"')
    head, svg = uri.split(",", 1)
    assert head == "data:image/svg+xml"
    text = ElementTree.fromstring(unquote(svg)).find("{http://www.w3.org/2000/svg}text")  # noqa: S314  our own
    assert text is not None
    assert text.text == "?"
    assert ">357</text>" in unquote(stand_in("1357", None))
    assert stand_in("7", '<&"') == uri != stand_in("8", '<&"')


def test_a_picture_is_the_items_own_where_it_has_a_safe_one() -> None:
    base = "http://shop:8000"
    media = pictures(Card(item_id="1", title="Heat", image_url="/media/posters/tt1.jpg"), base)
    assert media == [f"{base}/media/posters/tt1.jpg", stand_in("1", "Heat")]
    assert pictures(Card(item_id="1", image_url="https://cdn/x.jpg"), base)[0] == "https://cdn/x.jpg"
    for unsafe in (None, "", "javascript:alert(1)", "/etc/passwd"):
        assert pictures(Card(item_id="1", image_url=unsafe), base) == [stand_in("1", None)]
    drawn = card_html(Card(item_id="1", image_url="https://cdn/x.jpg?a=b c');x:url(\"d"), base)
    assert "url('https://cdn/x.jpg?a=b%20c%27%29;x:url%28%22d')" in drawn


def test_a_card_escapes_what_the_catalogue_says() -> None:
    card = RankedCard(
        item_id="1", title='<b>"x"</b>', categories=["<i>"], url="javascript:x", price=1234.5, score=0.25, rank=3
    )
    drawn = card_html(card, "http://api", moves=moves(["1", "2"], ["2", "1"]))
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    assert "javascript" not in drawn
    assert "price 1,234.50 · score 0.250" in drawn
    assert 'aria-label="down 1">▼ 1<' in drawn


def test_a_history_tells_what_was_done() -> None:
    rated = PastEvent(item_id="1", title="Heat", action=Action.RATE, value=4.5, event_time=NOW)
    cart = PastEvent(item_id="2", action=Action.ADD_TO_CART, event_time=NOW)
    assert (deed(rated), deed(cart)) == ("rated 4.5", "put into the cart")
    drawn = history_html([rated, cart], fresh=cart)
    assert drawn.index("Heat") < drawn.index("Item 2")
    assert drawn.count("saran-fresh") == 1
    assert "2026-05-04 12:00 UTC" in drawn


def test_a_gain_is_over_the_time_that_was_seen() -> None:
    trail = Trail()
    for second, rows in ((0, 100), (50, 200), (100, 500)):
        trail.add(second, {"silver.events": rows})
    assert trail.gain("silver.events", within=60) == Gain(300, 50)
    assert Gain(300, 50).rate == 6
    assert Gain(0, 0).rate is None
    assert trail.gain("silver.events", within=600) == Gain(400, 100)
    assert trail.gain("bronze.events") is None
    assert trail.rows("silver.events") == [100, 200, 500]


def test_a_verdict_compares_with_popularity() -> None:
    def figure(value: float) -> Metric:
        return Metric(value=value, low=value - 0.01, high=value + 0.01)

    assert verdict({"als": figure(0.12), "popularity": figure(0.08)}) == "1.50 × popularity; intervals apart"
    assert verdict({"popularity": figure(0.10), "als": figure(0.11)}) == "1.10 × popularity; intervals overlap"
    assert verdict({"als": figure(0.1)}) == "No popularity to compare with"
    assert [metric_name(name) for name in ("ndcg_at_10", "ndcg@10", "recall_at_20")] == [
        "NDCG@10",
        "NDCG@10",
        "Recall@20",
    ]
