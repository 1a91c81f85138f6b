"""Charts that more than one page draws, as Vega-Lite."""

from __future__ import annotations

from typing import Any


def bars(rows: list[dict[str, Any]], name: str, value: str) -> dict[str, Any]:
    """A bar a row, in the rows' order: `name` and `value` are fields; the field `text` stands at the bar's end."""
    y = {"field": name, "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 160, "ticks": False}}
    colour = {"field": name, "type": "nominal", "legend": None, "sort": None}
    reach = 1.35 * max((row[value] for row in rows), default=1)
    x = {"field": value, "type": "quantitative", "title": value, "scale": {"domain": [0, reach], "nice": False}}
    return {
        "data": {"values": rows},
        "height": {"step": 44},
        "encoding": {"y": y, "x": x},
        "layer": [
            {"mark": {"type": "bar", "cornerRadiusEnd": 4, "height": {"band": 0.6}}, "encoding": {"color": colour}},
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "fontWeight": "bold"},
                "encoding": {"text": {"field": "text"}, "color": colour},
            },
        ],
    }


def time_axis(field: str) -> dict[str, Any]:
    """An x axis of moments in UTC."""
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": "UTC",
        "axis": {"labelOverlap": True, "labelFlush": False},
    }


def legend(field: str, order: list[str]) -> dict[str, Any]:
    """Colours of a field's values in this order, named below the chart, where a phone has room."""
    below = {"orient": "bottom", "columns": 3, "title": None, "labelLimit": 110}
    return {"field": field, "type": "nominal", "sort": order, "legend": below}
