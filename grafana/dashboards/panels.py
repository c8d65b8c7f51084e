"""
What a panel shows -> the panel, with the look and the data source of all of ours.

Rule 1: a query is InfluxQL, written out; `station` and `device` come into it as regular expressions, whatever was chosen.
Rule 2: a line is never drawn across a gap: what is farther apart than `gap` is not joined.
Rule 3: what a panel shows as the present is no older than `NOW` or `LATELY`: old figures must not pass for a quiet day.
Rule 4: every panel has a title, a description that says what is drawn, and a unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import geomap, stat, statetimeline, statushistory, table, text, timeseries
from grafana_foundation_sdk.builders.common import (
    FrameGeometrySource,
    GraphThresholdsStyleConfig,
    MapLayerOptions,
    ReduceDataOptions,
    TableSortByFieldState,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.geomap import ControlsOptions, MapViewConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    FrameGeometrySourceMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TimelineValueAlignment,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    GridPos,
    Panel,
    ThresholdsConfig,
    ValueMapping,
)
from grafana_foundation_sdk.models.text import TextMode

from grafana.dashboards.looks import INK
from grafana.shipped import DATASOURCE

SOURCE = DataSourceRef(type_val="influxdb", uid=DATASOURCE)
WARDS = "public/maps/canhbao-wards.geojson"
"""Where Grafana serves the shapes of the wards, beside its own; see docs/grafana.md."""
WIDTH = 24
NOW, LATELY = "3m", "15m"
"""How far back the newest of our figures, of what stands at sensors, is looked for: older than that is "no figures", not the present. A range that
somebody gave by dates is not touched."""
Properties: TypeAlias = dict[str, Any]
"""Of an override: what is changed -> to what."""


@dataclass(frozen=True)
class Query(Builder[Dataquery]):
    """One statement of InfluxQL."""

    statement: str
    alias: str = ""
    """Name of each series: `$tag_station`, `$col`."""
    table: bool = False
    ref: str = "A"

    def build(self) -> Dataquery:
        """Give it as the data source of Grafana takes it."""
        format_ = "table" if self.table else "time_series"
        source = {"type": SOURCE.type_val, "uid": SOURCE.uid}
        alias = {"alias": self.alias} if self.alias else {}
        return UnknownDataquery(
            {"refId": self.ref, "datasource": source, "rawQuery": True, "query": self.statement, "resultFormat": format_, **alias}
        )


@dataclass(frozen=True)
class Place:
    """A panel and its size."""

    panel: Builder[Panel]
    width: int
    height: int


def placed(rows: Iterable[Sequence[Place]]) -> list[Panel]:
    """Put rows of panels one below the other; each gets its number. The panels of a row have one height."""
    found: list[Panel] = []
    y = 0
    for row in rows:
        x = 0
        for place in row:
            panel = place.panel.build()
            panel.id_val, panel.grid_pos = len(found) + 1, GridPos(h=place.height, w=place.width, x=x, y=y)
            found.append(panel)
            x += place.width
        assert x <= WIDTH, f"a row is {x} columns wide, more than {WIDTH}"
        y += max(place.height for place in row)
    return found


def properties(changes: Properties) -> list[DynamicConfigValue]:
    """Give the properties of an override."""
    return [DynamicConfigValue(id_val=name, value=value) for name, value in changes.items()]


def chart(
    title: str, about: str, unit: str, queries: Sequence[Query], *, gap: int = 7_200_000, bands: Builder[ThresholdsConfig] | None = None
) -> timeseries.Panel:
    """Give lines over time; `gap` in milliseconds, `bands` behind them."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .targets(list(queries))
        .unit(unit)
        .line_interpolation(LineInterpolation.LINEAR)
        .line_width(2)
        .fill_opacity(0)
        .show_points(VisibilityMode.AUTO)
        .insert_nulls(gap)
        .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    return panel if bands is None else with_bands(panel.thresholds(bands))


def with_bands(panel: timeseries.Panel) -> timeseries.Panel:
    """Show thresholds as lines and areas."""
    return panel.thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE_AND_AREA))


def tile(
    title: str,
    about: str,
    unit: str,
    queries: Sequence[Query],
    *,
    words: Sequence[ValueMapping] = (),
    bands: Builder[ThresholdsConfig] | None = None,
    decimals: int = 0,
    none: str = "–",
) -> stat.Panel:
    """Give the newest figure of each series, large; its colour only says what `words` or `bands` say."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .targets(list(queries))
        .unit(unit)
        .decimals(decimals)
        .no_value(none)
        .hide_time_override(True)
        .mappings(list(words))
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.BACKGROUND_SOLID if words or bands else BigValueColorMode.NONE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    return panel if bands is None else panel.thresholds(bands)


def timeline(title: str, about: str, queries: Sequence[Query], words: Sequence[ValueMapping], *, unit: str = "none") -> statetimeline.Panel:
    """Give states over time, a row a series; a state lasts until the next one, or until nothing was heard for two hours."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .targets(list(queries))
        .unit(unit)
        .mappings(list(words))
        .merge_values(True)
        .show_value(VisibilityMode.AUTO)
        .align_value(TimelineValueAlignment.LEFT)
        .row_height(0.85)
        .fill_opacity(85)
        .line_width(0)
        .insert_nulls(7_200_000)
        .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True))
    )


def history(title: str, about: str, queries: Sequence[Query], words: Sequence[ValueMapping]) -> statushistory.Panel:
    """Give states at regular instants, a row a series."""
    return (
        statushistory.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .targets(list(queries))
        .unit("none")
        .mappings(list(words))
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(85)
        .max_data_points(120)
        .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True))
    )


def rows_of(title: str, about: str, query: Query, columns: dict[str, tuple[str, Properties]], *, highest: str = "") -> table.Panel:
    """Give a table; `columns` in order: field -> heading and look. Other fields are not shown. `highest`: the field whose highest comes first."""
    order = {name: index for index, name in enumerate(columns)}
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .targets([query])
        .unit("none")
        .show_header(True)
        .with_transformation(DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}}))
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"indexByName": order, "excludeByName": {}, "renameByName": {}})
        )
    )
    if highest:
        panel = panel.sort_by([TableSortByFieldState().display_name(columns[highest][0]).desc(True)])
    for name, (heading, look) in columns.items():
        panel = panel.override_by_name(name, properties({"displayName": heading, **look}))
    return panel


def note(title: str, content: str) -> text.Panel:
    """Give a text, in Markdown."""
    return text.Panel().title(title).description(title).mode(TextMode.MARKDOWN).content(content)


def map_of(
    title: str,
    about: str,
    stations: Query,
    silent: Query,
    words: dict[str, list[ValueMapping]],
    colours: Builder[ThresholdsConfig],
    wards: str,
) -> geomap.Panel:
    """
    Give a map without tiles: shapes of the wards from Grafana itself, and a marker a station by the latitude and longitude of its row.

    The shapes are the ground of the map: a ground of Grafana's own would come from a foreign host, and "none" is not among them.
    """
    ground = {"color": {"fixed": "#8aa5b5"}, "opacity": 0.12, "lineWidth": 1, "size": {"fixed": 1, "min": 1, "max": 1}}
    panel = (
        geomap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .targets([stations, silent])
        .unit("none")
        .thresholds(colours)
        .view(MapViewConfig().id("fit").all_layers(True).padding(15).max_zoom(12).shared(False))
        .controls(ControlsOptions().show_zoom(True).mouse_wheel_zoom(False).show_attribution(False).show_scale(True))
        .basemap(MapLayerOptions().type("geojson").name(wards).config({"src": WARDS, "rules": [], "style": ground}))
        .layers([_markers(stations, "level", "circle", 9), _markers(silent, "phase", "x-mark", 6)])
    )
    for name, mapping in words.items():
        panel = panel.override_by_name(name, properties({"mappings": mapping}))
    return panel


def _markers(query: Query, field: str, symbol: str, size: int) -> MapLayerOptions:
    place = FrameGeometrySource().mode(FrameGeometrySourceMode.COORDS).latitude("latitude").longitude("longitude")
    colour = {"field": "level"} if field == "level" else {}
    style = {
        "color": {"fixed": INK, **colour},
        "opacity": 0.95,
        "size": {"fixed": size, "min": size, "max": size},
        "symbol": {"fixed": f"img/icons/marker/{symbol}.svg", "mode": "fixed"},
        "text": {"field": "station", "fixed": "", "mode": "field"},
        "textConfig": {"fontSize": 12, "offsetX": 0, "offsetY": 16, "textAlign": "center", "textBaseline": "middle"},
    }
    data = {"id": "byRefId", "options": query.ref}
    return (
        MapLayerOptions()
        .type("markers")
        .name(field)
        .location(place)
        .filter_data(data)
        .config({"showLegend": False, "style": style})
        .tooltip(True)
    )
