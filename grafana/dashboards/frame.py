"""
Panels -> a dashboard, with what all of ours have: tags, variables, links to the others and to the other language, annotations of warnings.

Rule 1: the address of the operators' pages is a constant: nobody can bend the links by an address that they send. It is given when dashboards are drawn or
        brought to a Grafana.
Rule 2: warnings come from the annotations of Grafana that carry our tag; no panel makes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery, ConstantVariable, Dashboard, DashboardLink, QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.dashboards.panels import SOURCE
from grafana.dashboards.words import LANGUAGES, Tongue
from grafana.shipped import ADDRESS, ADDRESS_VARIABLE, TAG

REFRESH = "30s"
"""As often as figures come."""
_GRAFANA = DataSourceRef(type_val="grafana", uid="-- Grafana --")


@dataclass(frozen=True)
class Sheet:
    """One of the dashboards in one language."""

    name: str
    """`city`, `station` ..., also the name of its file."""
    title: str
    about: str
    panels: Sequence[Panel]
    variables: Sequence[VariableModel] = ()
    annotated: Sequence[str] = (TAG,)
    """Tags that an annotation must have to be shown."""
    since: str = "now-24h"


def uid_of(name: str, language: str) -> str:
    """Give the identifier of a dashboard; it never changes."""
    return f"canhbao-{name}-{language}"


def drawn(sheet: Sheet, language: str, time_zone: str, t: Tongue) -> Dashboard:
    """Put a dashboard together."""
    frame = (
        Dashboard(sheet.title)
        .uid(uid_of(sheet.name, language))
        .description(sheet.about)
        .tags([TAG, f"{TAG}-{language}"])
        .timezone(time_zone)
        .time(sheet.since, "now")
        .refresh(REFRESH)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .annotation(_warnings(t("Cảnh báo", "Warnings"), sheet.annotated))
    )
    built = frame.build()
    built.links = [each.build() for each in _links(sheet.name, language, t)]
    for shown in (*built.links, *(built.annotations.list_val or ())):
        shown.placement = None  # in sight, not in a menu
    built.panels = list(sheet.panels)
    built.templating.list_val = [*sheet.variables, _address()]
    return frame


def to_alarms(t: Tongue, alarm: str = "") -> str:
    """
    Give the address of the operators' table of alarms in a language; at an alarm, whose id comes from a variable of Grafana.

    The table has a name for the silencing of each alarm that is open and not silenced; where there is none, a browser stays at its top, where the open ones are.
    """
    return f"${{{ADDRESS_VARIABLE}}}{t('/', '/en')}{f'#s-{alarm}' if alarm else ''}"


def choice(name: str, label: str, statement: str, *, several: bool) -> VariableModel:
    """Give a variable that a query of InfluxQL fills; `several`: more than one may be chosen, and all are at first."""
    variable = (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": statement, "refId": f"{name}-variable"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .definition(statement)
    )
    if several:
        variable = (
            variable.multi(True).include_all(True).all_value(".*").current(VariableOption(text=["All"], value=["$__all"], selected=True))
        )
    return variable.build()


def _address() -> VariableModel:
    address = ConstantVariable(ADDRESS_VARIABLE).value(ADDRESS).build()
    address.hide, address.skip_url_sync = VariableHide.HIDE_VARIABLE, True
    address.current = VariableOption(text=ADDRESS, value=ADDRESS, selected=True)
    return address


def _warnings(name: str, tags: Sequence[str]) -> AnnotationQuery:
    query = {"type": "tags", "tags": list(tags), "matchAny": False, "limit": 200, "refId": "Anno"}
    return (
        AnnotationQuery().name(name).datasource(_GRAFANA).enable(True).hide(False).icon_color("#e9760f").type("tags").target(_Target(query))
    )


class _Target(Builder[Dataquery]):
    def __init__(self, query: dict[str, object]) -> None:
        self._query = query

    def build(self) -> Dataquery:
        return UnknownDataquery(self._query)


def _links(name: str, language: str, t: Tongue) -> list[DashboardLink]:
    (other,) = (each for each in LANGUAGES if each != language)
    return [
        DashboardLink(t("Bảng khác", "Other dashboards"))
        .type(DashboardLinkType.DASHBOARDS)
        .tags([f"{TAG}-{language}"])
        .as_dropdown(False)
        .keep_time(True),
        _to(t("English", "Tiếng Việt"), f"/d/{uid_of(name, other)}").include_vars(True).keep_time(True),
        _to(t("Xử lý cảnh báo", "Handle alarms"), to_alarms(t)).target_blank(True),
    ]


def _to(title: str, url: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK).icon("external link").url(url)
