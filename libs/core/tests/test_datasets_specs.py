"""Specs: a mistake is named with its file, line and field; the worked example of docs/datasets.md works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from saran.core.datasets import (
    Origin,
    SpecError,
    actions_of,
    highest_rating,
    list_specs,
    load_spec,
    open_dataset,
    source_columns,
    to_source_columns,
)
from saran.core.entities import Action
from saran.core.settings import CHECKOUT, Settings

VALID = """\
name: shop
title: A shop
terms: Ours
events:
  kind: file
  file: log.csv
  columns: {user_id: who, item_id: what, event_time: when, action: did}
  time: text
  actions: {looked: view, bought: purchase}
  source_columns: [when, who, did, what]
items:
  files: [things.csv]
  columns:
    item_id: id
    title: {column: name}
"""


@pytest.fixture
def settings() -> Settings:
    return Settings(data=None)


def mistake(tmp_path: Path, settings: Settings, text: str) -> str:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(path, settings)
    return caught.value.message.replace(str(path), "shop.yaml")


def test_the_valid_spec_is_valid(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(VALID, encoding="utf-8")
    spec = load_spec(path, settings)
    assert spec.path == path
    assert source_columns(spec) == ["when", "who", "did", "what"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: A shop\n", "", "shop.yaml, line 1: title is missing"),
        ("terms: Ours", "term: Ours", "shop.yaml, line 3: term is no field, did you mean terms?"),
        ("  time: text", "  time: weeks", "line 8: events.time: input should be 's', 'ms', 'us' or 'text'"),
        ("bought: purchase", "bought: buy", "line 9: events.actions.bought: input should be 'view', 'click'"),
        ("user_id: who, ", "", "shop.yaml, line 7: events.columns.user_id is missing"),
        ("  file: log.csv", "  fill: log.csv", "shop.yaml, line 6: events.fill is no field, did you mean file?"),
        ("  kind: file", "  kind: rows", "shop.yaml, line 4: events: input tag 'rows'"),
        ("    title: {column: name}", "    titel: name", "line 15: items.columns.titel: input should be"),
        ("    title: {column: name}", "    title: {colum: name}", "title.colum is no field, did you mean column?"),
        ("{column: name}", "{column: name, pattern: '('}", "line 15: items.columns.title.pattern: is not a regular"),
        ("{column: name}", "{column: name, pattern: 'x'}", "line 15: items.columns.title: pattern needs a group"),
        ("    item_id: id\n", "", "shop.yaml, line 11: items: columns needs item_id"),
        (", action: did", "", "shop.yaml, line 4: events: give either columns.action (with actions) or action"),
        ("did, what]", "what]", "shop.yaml, line 4: events: source_columns lacks did"),
        ("name: shop", "name: My Shop", "shop.yaml, line 1: name: string should match pattern"),
        ("title: A shop", "title: A shop\ntitle: B", "shop.yaml, line 3: title is given twice"),
        ("title: A shop", "title: [A", "shop.yaml, line 3: "),
        ("title: A shop", "title: A\nweights: {view: -1}", "shop.yaml, line 3: weights.view: input should be greater"),
        ("title: A shop", "title: A\nages: {classes: {}, default: R}", "line 3: ages: classes lacks the certificate R"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_and_field(
    tmp_path: Path, settings: Settings, old: str, new: str, message: str
) -> None:
    assert VALID.count(old) == 1
    assert message in mistake(tmp_path, settings, VALID.replace(old, new))


def test_all_mistakes_are_told_at_once(tmp_path: Path, settings: Settings) -> None:
    text = VALID.replace("terms: Ours\n", "").replace("time: text", "time: weeks")
    assert len(mistake(tmp_path, settings, text).splitlines()) == 2


def test_allowed_fields_are_those_of_the_chosen_kind(tmp_path: Path, settings: Settings) -> None:
    told = mistake(tmp_path, settings, VALID.replace("  kind: file", "  kind: file\n  folders: [x]"))
    assert "events.folders is no field" in told
    assert "allowed: kind, file, header, columns, time, actions" in told
    assert "spec" not in told.split("allowed:")[1]


def test_an_unknown_name_lists_the_known(settings: Settings) -> None:
    with pytest.raises(SpecError, match=r"did you mean 'movielens'\?.*amazon, movielens, movies, retailrocket"):
        load_spec("movielans", settings)
    with pytest.raises(SpecError, match="there is no dataset spec"):
        load_spec("./nowhere.yaml", settings)


def test_words_that_yaml_takes_for_booleans_stay_words(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(VALID.replace("looked: view", "on: view, no: click, 1: rate"), encoding="utf-8")
    events = load_spec(path, settings).events
    assert events.kind == "file"
    assert events.actions == {"on": Action.VIEW, "no": Action.CLICK, "1": Action.RATE, "bought": Action.PURCHASE}


def test_the_four_systems(settings: Settings) -> None:
    rows = {row.name: row for row in list_specs(settings)}
    assert list(rows) == ["amazon", "movielens", "movies", "retailrocket"]
    assert [name for name, row in rows.items() if row.bundled] == ["movielens"]
    assert [name for name, row in rows.items() if row.synthetic] == ["amazon", "movies", "retailrocket"]
    assert rows["movies"].capabilities.ages is Origin.DERIVED
    assert rows["amazon"].capabilities.interactions is Origin.SIMULATED
    weights = load_spec("retailrocket", settings).weights
    assert (weights.view, weights.add_to_cart, weights.purchase) == (1, 3, 5)
    assert (load_spec("movielens", settings).weights.rate.minus, weights.rate.minus) == (2.0, 0.0)


def test_the_worked_example_of_the_docs(tmp_path: Path, settings: Settings) -> None:
    text = (CHECKOUT / "docs" / "datasets.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```", text, flags=re.DOTALL))
    assert set(written) == {"bookshop.yaml", "books.csv", "shelves.csv", "visits.csv"}
    for name, content in written.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "covers").mkdir()
    (tmp_path / "covers" / "b1.jpg").touch()
    spec = load_spec(tmp_path / "bookshop.yaml", settings)
    dataset = open_dataset(spec, settings, data=tmp_path)
    (block,) = dataset.read_events()
    assert list(block.events.select("user_id", "item_id", "action", "value").iter_rows()) == [
        ("anna", "b1", "view", None),
        ("anna", "b1", "purchase", 18.0),
        ("budi", "b2", "add_to_cart", None),
    ]
    # 08:30 in Jakarta is 01:30 in UTC.
    assert block.events["event_time"].dt.strftime("%H:%M:%S%.3f").to_list() == [
        "08:30:00.000", "08:31:30.500", "01:30:00.000"
    ]  # fmt: skip
    assert block.events["context"].struct.field("device").to_list() == ["phone", None, "laptop"]
    assert list(block.rejected.select("line", "reason").iter_rows()) == [
        (5, "action (what) is none of open, basket, pay"),
    ]
    back = to_source_columns(block.events, spec)
    assert back.columns == ["at", "visitor", "what", "book", "paid", "device"]
    assert back.row(1) == ("2026-03-01T08:31:30.500Z", "anna", "pay", "b1", "18.0", None)
    (items,) = dataset.read_items()
    assert items.items.row(0, named=True) == {
        "item_id": "b1", "title": "Laskar Pelangi", "description": None, "categories": ["Novel", "School"],
        "image_url": "/media/covers/b1.jpg", "url": None, "price": 18.0,
        "list_price": None, "rating": None, "rating_count": None, "age_rating": "7+", "release_date": "2005",
        "is_available": True,
        "attributes": {"shelf": "Blue room", "certificate": "PG", "age_rating_source": "derived"},
    }  # fmt: skip
    assert list(items.rejected.select("line", "reason").iter_rows()) == [(4, "price (price) is not a number")]


def test_source_columns_round_trip(tmp_path: Path, settings: Settings) -> None:
    """Batch files hold what the source held."""
    original = (
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,1,view,2,\n1433221332118,1,transaction,2,9\n"
    )
    (tmp_path / "events.csv").write_text(original)
    dataset = open_dataset(load_spec("retailrocket", settings), settings, data=tmp_path)
    (block,) = dataset.read_events()
    assert to_source_columns(block.events, dataset.spec).write_csv() == original
    amazon = load_spec("amazon", settings)
    assert to_source_columns(block.events, amazon).row(0) == ("2015-06-02T05:02:12.117Z", "1", "view", "2", None)


def test_actions_are_those_of_the_file_of_the_joined_file_or_of_the_simulation(settings: Settings) -> None:
    found = {name: actions_of(load_spec(name, settings)) for name in ("movielens", "movies", "retailrocket", "amazon")}
    assert found == {
        "movielens": [Action.RATE],
        "movies": [Action.RATE],
        "retailrocket": [Action.VIEW, Action.ADD_TO_CART, Action.PURCHASE],
        "amazon": [Action.VIEW, Action.CLICK, Action.ADD_TO_CART, Action.PURCHASE],
    }


def test_a_rating_has_a_best_where_users_rate(settings: Settings, tmp_path: Path) -> None:
    found = [highest_rating(load_spec(name, settings)) for name in ("movielens", "movies", "retailrocket", "amazon")]
    assert found == [5.0, 5.0, None, None]
    path = tmp_path / "shop.yaml"
    path.write_text(re.sub(r"events:\n.*items:\n", "events: {kind: simulated}\nitems:\n", VALID, flags=re.DOTALL))
    shop = load_spec(path, settings)
    assert (actions_of(shop), highest_rating(shop)) == ([Action.VIEW, Action.CLICK, Action.RATE], 5.0)
