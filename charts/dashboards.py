"""Builds Grafana's dashboards of `charts.boards` with Grafana's typed builders; `charts.render` writes them.

They are JSON that any Grafana of 10 or later imports. Data source and namespace are chosen on the board.
"""

from __future__ import annotations

from typing import Final, TypeVar

from charts.boards import BOARDS
from charts.panels import Board, Kind, Panel, Query, Row
from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as dashboard_models

NAMESPACE: Final = 'namespace="$namespace"'
_SOURCE: Final = common_models.DataSourceRef(type_val="prometheus", uid="$datasource")
_SIZES: Final[dict[Kind, tuple[int, int]]] = {
    "number": (6, 4),
    "name": (6, 4),
    "lines": (12, 8),
    "area": (12, 8),
}
"""Width, of 24, and height."""


_Made = TypeVar("_Made", stat.Panel, timeseries.Panel)


def text(name: str) -> str:
    """The JSON of a board of `charts.boards`."""
    return JSONEncoder(sort_keys=True, indent=2).encode(_dashboard(BOARDS[name]).build()) + "\n"


def _dashboard(board: Board) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(f"Saran: {board.title}")
        .uid(f"saran-{board.name}")
        .tags(["saran"])
        .editable()
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(dashboard_models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Saran")
            .type(dashboard_models.DashboardLinkType.DASHBOARDS)
            .tags(["saran"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .label("Namespace")
            .datasource(_SOURCE)
            .query('label_values(up{app_kubernetes_io_component=~"api|worker|streams"}, namespace)')
            .refresh(dashboard_models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard_models.VariableSort.ALPHABETICAL_ASC)
        )
    )
    for row in board.rows:
        made.with_row(dashboard.Row(row.title))
        for panel in _panels(row):
            made.with_panel(panel)
    return made


def _panels(row: Row) -> list[stat.Panel | timeseries.Panel]:
    return [_number(panel) if panel.kind in {"number", "name"} else _graph(panel) for panel in row.panels]


def _begun(made: _Made, panel: Panel) -> _Made:
    """What panels of every kind have."""
    width, height = _SIZES[panel.kind]
    made.title(panel.title).description(panel.description).unit(panel.unit).datasource(_SOURCE).span(width).height(
        height
    )
    return made


def _number(panel: Panel) -> stat.Panel:
    made = (
        _begun(stat.Panel(), panel)
        .no_value("–")
        .color_mode(common_models.BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if panel.kind == "name":
        made.text_mode(common_models.BigValueTextMode.NAME)
    elif any(query.legend for query in panel.queries):
        made.text_mode(common_models.BigValueTextMode.VALUE_AND_NAME)
    for position, query in enumerate(panel.queries):
        made.with_target(_target(query, position).instant())
    return made


def _graph(panel: Panel) -> timeseries.Panel:
    made = (
        _begun(timeseries.Panel(), panel)
        .min(0)
        .no_value("no data")
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(any(query.legend for query in panel.queries))
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
        )
    )
    if panel.kind == "area":
        made.fill_opacity(30).stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    for position, query in enumerate(panel.queries):
        made.with_target(_target(query, position))
    return made


def _target(query: Query, position: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(_SOURCE)
        .ref_id("ABCDEFGH"[position])
        .expr(query.expression.replace("{@", f"{{{NAMESPACE}"))
        .legend_format(query.legend or "__auto")
    )
