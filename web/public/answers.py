"""Situations and pages -> the answers of the open interface. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.model import Alarm, Notice, Told
from devices.instants import SECOND, Instant, Span, to_datetime
from devices.quantities import QUANTITIES
from devices.stations import Station
from ingest.archive.query import Bucket, Gap
from web.public.models import (
    AlarmOut,
    AlarmsOut,
    BucketOut,
    GapOut,
    GaugeOut,
    LevelOut,
    NoticeOut,
    NoticesOut,
    OneStationOut,
    ReadingsOut,
    StationOut,
    StationsOut,
)
from web.public.situation import Situation
from web.public.state import Gauge, PageState


class Said:
    """Answers of one moment, with instants in the city's zone."""

    def __init__(self, situation: Situation, state: PageState) -> None:
        self._situation, self._state = situation, state
        self._zone = ZoneInfo(state.time_zone)
        self._common = {"status": state.status.value, "as_of": self.at(situation.now)}
        self._gauges: dict[str, list[Gauge]] = {}
        for gauge in (*state.gauges, *state.streets, *(gauge for each in state.air for gauge in each.values)):
            self._gauges.setdefault(gauge.station.id, []).append(gauge)

    def stations(self) -> StationsOut:
        """Give all stations."""
        return StationsOut(**self._common, stations=[self._station(each) for each in self._situation.city.registry.stations.values()])

    def station(self, station: Station) -> OneStationOut:
        """Give one station."""
        return OneStationOut(**self._common, station=self._station(station))

    def alarms(self) -> AlarmsOut:
        """Give the warnings in force, the highest first, and those that ended within a day."""
        ledger = self._situation.ledger
        if ledger is None or not (self._state.is_ledger_known or self._state.in_force):
            return AlarmsOut(**self._common, alarms=None)
        places = [(each.alarm, each.gauge) for each in self._state.in_force] + [(each.alarm, each.gauge) for each in self._state.ended]
        return AlarmsOut(**self._common, alarms=[self._alarm(alarm, ledger.told[alarm.id], gauge) for alarm, gauge in places])

    def notices(self, most: int) -> NoticesOut:
        """Give the newest notices to residents."""
        ledger = self._situation.ledger
        return NoticesOut(**self._common, notices=None if ledger is None else [self._notice(each) for each in ledger.notices[:most]])

    def readings(
        self, station: str, quantity: str, span: tuple[Instant, Instant], width: Span, buckets: Sequence[Bucket], gaps: Iterable[Gap]
    ) -> ReadingsOut:
        """Give the readings of a station."""
        return ReadingsOut(
            **self._common,
            station=station,
            quantity=quantity,
            unit=QUANTITIES[quantity].unit.value,
            from_at=self.at(span[0]),
            to_at=self.at(span[1]),
            width_seconds=width / SECOND,
            buckets=[
                BucketOut(at=self.at(each.start_at), count=each.count, low=each.low, mean=each.mean, high=each.high) for each in buckets
            ],
            gaps=[GapOut(from_at=self.at(gap.from_at), to_at=self.at(gap.to_at)) for gap in gaps],
        )

    def at(self, instant: Instant) -> datetime:
        """Give an instant in the city's zone."""
        return to_datetime(instant).astimezone(self._zone)

    def _maybe(self, instant: Instant | None) -> datetime | None:
        return None if instant is None else self.at(instant)

    def _station(self, station: Station) -> StationOut:
        return StationOut(
            id=station.id,
            name=station.name,
            river=station.river,
            latitude=station.latitude,
            longitude=station.longitude,
            example=station.example,
            wards=list(station.wards),
            gauges=[self._gauge(gauge) for gauge in self._gauges.get(station.id, ())],
        )

    def _gauge(self, gauge: Gauge) -> GaugeOut:
        against = gauge.against
        return GaugeOut(
            quantity=gauge.quantity,
            unit=QUANTITIES[gauge.quantity].unit.value,
            signal=gauge.signal.value,
            value=gauge.value,
            observed_at=self._maybe(gauge.observed_at),
            received_at=self._maybe(gauge.received_at),
            trend_per_hour=gauge.trend,
            levels=[LevelOut(**asdict(level)) for level in gauge.levels],
            level=against.level.number if against and against.is_reached else 0,
            difference=against.signed if against else None,
        )

    def _alarm(self, alarm: Alarm, told: Told, gauge: Gauge) -> AlarmOut:
        return AlarmOut(
            id=alarm.id,
            station=alarm.station,
            quantity=alarm.quantity,
            level=told.level,
            highest=told.highest,
            value=gauge.value,
            observed_at=self._maybe(gauge.observed_at),
            peak=alarm.peak,
            peak_at=self._maybe(alarm.peak_at),
            is_heard=gauge.is_heard,
            opened_at=self.at(alarm.opened_at),
            told_at=self._maybe(told.told_at),
            end=told.end.value if told.end else None,
            wards=list(gauge.station.wards),
        )

    def _notice(self, notice: Notice) -> NoticeOut:
        return NoticeOut(
            id=notice.id,
            alarm=notice.alarm,
            kind=notice.kind.value,
            level=notice.level,
            was=notice.was,
            sequence=notice.sequence,
            issued_at=self.at(notice.issued_at),
            expires_at=self.at(notice.expires_at),
            texts=notice.texts,
        )
