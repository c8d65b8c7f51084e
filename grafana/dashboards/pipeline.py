"""The way of a reading in figures: is anything lost, is anybody waiting, do we hear."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, timeseries

from devices.registry import Registry
from grafana.dashboards import statements as ask
from grafana.dashboards.frame import Sheet
from grafana.dashboards.looks import LATE, TROUBLE, WELL, steps, yes_no
from grafana.dashboards.panels import NOW, Place, Properties, Query, chart, placed, properties, tile, timeline
from grafana.dashboards.words import Tongue

GAP = 300_000
"""Milliseconds: figures come every half minute."""


def pipeline(_registry: Registry, _language: str, t: Tongue) -> Sheet:
    """Draw it."""
    rows = [_tiles(t), [_hearing(t)], _flow(t), _waiting(t), _told(t)]
    about = t(
        "Đường đi của số liệu: đã nhận bằng đã lưu cộng trùng cộng cách ly cộng đang chờ.",
        "Received = archived + duplicate + quarantined + waiting.",
    )
    return Sheet("pipeline", t("Hệ thống", "Pipeline"), about, placed(rows), since="now-6h")


def _tiles(t: Tongue) -> list[Place]:
    none = t("Không có số", "No figures")
    hearing = tile(
        t("Có nghe thiết bị không", "Do we hear"),
        t("Đã nối với máy chủ MQTT và không còn tồn đọng cũ.", "Connected to the broker, and nothing older waits."),
        "none",
        [ask.pipeline_now("hearing")],
        words=yes_no(t("Có", "Yes"), t("Không", "No")),
        none=none,
    )
    age = tile(
        t("Nhịp của hệ thống", "Our heartbeat"),
        t("Tuổi của dấu hiệu sống gần nhất.", "Age of the last sign of life."),
        "s",
        [ask.pipeline_now("heartbeat_age")],
        bands=steps((WELL, LATE, TROUBLE), (10.0, 60.0)),
        none=none,
    )
    return [Place(each.time_from(NOW), 4, 4) for each in (hearing, age, *_counts(t))]


def _counts(t: Tongue) -> list[stat.Panel]:
    bad = steps((TROUBLE, WELL, TROUBLE), (0.0, 1.0))
    waiting = t("Đã lấy và chưa nằm trên đĩa; máy chủ MQTT còn giữ.", "Taken and not on disk yet; the broker keeps them, too.")
    counts = (
        (
            "unaccounted",
            bad,
            t("Lệch sổ", "Unaccounted"),
            t("Phải bằng 0: đã nhận trừ mọi nơi đến.", "Must be 0: received less every fate."),
        ),
        ("waiting", None, t("Đang chờ ghi", "Waiting"), waiting),
        ("received", None, t("Đã nhận", "Received"), t("Từ khi có kho số liệu này.", "Since this data folder began.")),
        ("incidents_open", bad, t("Sự cố đang mở", "Open incidents"), t("Trong sổ cảnh báo.", "In the ledger.")),
    )
    return [tile(title, about, "short", [ask.pipeline_now(field)], bands=bands) for field, bands, title, about in counts]


def _hearing(t: Tongue) -> Place:
    query = Query(f'SELECT min("hearing") FROM "canhbao_pipeline" WHERE $timeFilter {ask.EACH} fill(none)', t("Nghe được", "Hearing"))
    about = t("Khoảng trống: không có số nào từ chúng tôi.", "A gap: no figures of ours at all.")
    panel = timeline(
        t("Nghe và không nghe", "Hearing and deaf"), about, [query], yes_no(t("Nghe được", "Hearing"), t("Không nghe", "Deaf"))
    )
    return Place(panel.insert_nulls(GAP), 24, 4)


def _flow(t: Tongue) -> list[Place]:
    fates = {
        "received": t("nhận", "received"),
        "archived": t("lưu", "archived"),
        "duplicate": t("trùng", "duplicate"),
        "quarantined": t("cách ly", "quarantined"),
        "late": t("muộn", "late"),
    }
    queries = [ask.rate(field, name, chr(ord("A") + number)) for number, (field, name) in enumerate(fates.items())]
    flow = chart(
        t("Số lần đo mỗi giây", "Readings a second"), t("Theo nơi đến của chúng.", "By what became of them."), "cps", queries, gap=GAP
    )
    reasons = Query(
        f'SELECT non_negative_difference(last("readings")) FROM "canhbao_quarantine" WHERE $timeFilter {ask.EACH}, "reason" fill(none)',
        "$tag_reason",
    )
    refused = chart(
        t("Cách ly theo lý do", "Quarantine by reason"), t("Thêm trong mỗi khoảng.", "Added in each interval."), "short", [reasons], gap=GAP
    )
    return [Place(flow, 14, 9), Place(refused, 10, 9)]


def _waiting(t: Tongue) -> list[Place]:
    def of_readers(field: str) -> Query:
        return Query(f'SELECT max("{field}") FROM "canhbao_reader" WHERE $timeFilter {ask.EACH}, "reader" fill(none)', "$tag_reader")

    behind = chart(
        t("Lô chưa đọc", "Batches behind"),
        t("Mỗi chương trình còn chậm hơn bộ đệm bao nhiêu lô.", "By how many batches each reader is behind the spool."),
        "short",
        [of_readers("behind")],
        gap=GAP,
    )
    refused = chart(
        t("Dòng bị từ chối", "Refused lines"),
        t("Kho không nhận, có lý do.", "Not taken, with a reason."),
        "short",
        [of_readers("refused")],
        gap=GAP,
    )
    age = chart(
        t("Nhịp theo thời gian", "Heartbeat"),
        t("Tuổi của dấu hiệu sống, giá trị lớn nhất.", "Age of the sign of life, the largest."),
        "s",
        [Query(f'SELECT max("heartbeat_age") FROM "canhbao_pipeline" WHERE $timeFilter {ask.EACH} fill(none)', t("tuổi", "age"))],
        gap=GAP,
    )
    return [Place(each, 6, 8) for each in (behind, _depth(t), refused, age)]


def _depth(t: Tongue) -> timeseries.Panel:
    budget = t("được phép", "budget")
    queries = [
        Query(f'SELECT {how}("{field}") FROM "canhbao_pipeline" WHERE $timeFilter {ask.EACH} fill(none)', name, ref=ref)
        for ref, how, field, name in (("A", "max", "spool_bytes", t("đang dùng", "in use")), ("B", "last", "spool_budget", budget))
    ]
    about = t(
        "Bộ đệm trên đĩa so với dung lượng cho phép; vượt mức thì lô cũ mà kho đã có được bỏ trước.",
        "The spool on disk against its budget; above it, batches that the store has go first.",
    )
    panel = chart(t("Bộ đệm trên đĩa", "Spool on disk"), about, "bytes", queries, gap=GAP).min(0)
    line: Properties = {"color": {"mode": "fixed", "fixedColor": TROUBLE}, "custom.lineStyle": {"fill": "dash", "dash": [8, 6]}}
    return panel.override_by_name(budget, properties(line))


def _told(t: Tongue) -> list[Place]:
    deliveries = Query(
        f'SELECT last("notices") FROM "canhbao_delivery" WHERE $timeFilter {ask.EACH}, "channel", "state" fill(none)',
        "$tag_channel · $tag_state",
    )
    fields = {
        "alarms_open": t("đang mở", "open"),
        "alarms_owed": t("còn nợ tin kết thúc", "owed an end"),
        "withheld": t("giữ lại", "withheld"),
    }
    alarms = [
        Query(f'SELECT last("{field}") FROM "canhbao_pipeline" WHERE $timeFilter {ask.EACH} fill(none)', name, ref=chr(ord("A") + number))
        for number, (field, name) in enumerate(fields.items())
    ]
    by_channel = t("Theo kênh và trạng thái.", "By channel and state.")
    return [
        Place(chart(t("Tin theo kênh", "Deliveries"), by_channel, "short", [deliveries], gap=GAP), 12, 8),
        Place(chart(t("Cảnh báo", "Alarms"), t("Trong sổ cảnh báo.", "In the ledger."), "short", alarms, gap=GAP), 12, 8),
    ]
