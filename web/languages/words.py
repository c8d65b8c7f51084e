"""The texts that a language has to give, by the place where they stand. A missing one is an error of types, never a blank."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWords:
    """The residents' page: its frame, its head and its states."""

    title: str
    skip: str
    languages: str
    exercise: str
    exercise_word: str
    exercise_not_real: str
    exercise_speed: str
    exercise_real_time: str
    exercise_clock: str
    exercise_sample: str
    exercise_no_call: str
    area: str
    in_force: str
    river_title: str
    river_title_at: str
    street_title: str
    street_title_at: str
    place_river: str
    place: str
    against: str
    rising: str
    falling: str
    steady: str
    measured_at: str
    do_now: str
    call: str
    in_danger: str
    issued_at: str
    next_notice: str
    next_notice_when: str
    peak: str
    peak_of_flood: str
    peak_at: str
    still_in_force: str
    lost_title: str
    deaf_title: str
    last_value: str
    last_at: str
    now_unknown: str
    lost_river_act: str
    lost_street_act: str
    nearest: str
    nearest_value: str
    none_nearby: str
    updated_at: str
    high_not_safe: str
    high_title: str
    none_title: str
    everywhere: str
    unknown_areas: str
    prepare: str
    prepare_act: str
    reporting: str
    reporting_value: str
    newest: str
    over_since: str
    over_river_title: str
    over_street_title: str
    over_do: str
    over_river_act: str
    over_street_act: str
    warned_from: str
    shown_until: str
    closed_since: str
    closed_river_title: str
    closed_street_title: str
    closed_act: str
    closed_reason: str
    corrected_since: str
    corrected_river_title: str
    corrected_street_title: str
    corrected_act: str
    unknown_state: str
    unknown_title: str
    unknown_title_ledger: str
    unknown_act: str
    unknown_not_safe: str
    deaf: str
    deaf_since: str
    deaf_never: str
    no_gauge: str
    no_gauge_state: str
    official: str
    made_at: str
    reload: str
    open_data: str
    approximate: str
    connection_lost: str
    not_found: str
    back: str
    cannot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWords:
    """The residents' page: what stands below its head."""

    others: str
    ended: str
    ended_line: str
    map: str
    map_sub: str
    map_sub_exercise: str
    map_title: str
    map_none: str
    map_some: str
    map_frame: str
    map_unknown: str
    map_list: str
    legend_level: str
    legend_level_stale: str
    legend_exercise: str
    legend_none: str
    legend_unknown: str
    legend_gauge: str
    legend_lost: str
    gauges: str
    gauges_all: str
    gauges_some: str
    streets: str
    streets_sub: str
    above_level: str
    at_level: str
    near_level: str
    below_level: str
    no_levels: str
    lost: str
    unheard: str
    never: str
    legend_unheard: str
    rising: str
    falling: str
    steady: str
    measured_at: str
    last_at: str
    chart: str
    chart_sub: str
    chart_gaps: str
    chart_title: str
    chart_from_to: str
    chart_highest: str
    chart_unknown_since: str
    chart_empty: str
    chart_table: str
    time: str
    value: str
    against: str
    air: str
    air_sub: str
    air_line: str
    air_none: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorWords:
    """The operators' pages."""

    title: str
    skip: str
    real: str
    exercise_note: str
    you: str
    pipeline: str
    received: str
    archived: str
    duplicate: str
    quarantined: str
    waiting: str
    balanced: str
    off_by: str
    unknown: str
    mqtt: str
    mqtt_good: str
    mqtt_deaf: str
    heartbeat: str
    heartbeat_good: str
    heartbeat_old: str
    deliveries: str
    deliveries_none: str
    alarms: str
    open_count: str
    place: str
    condition: str
    freshness: str
    handling: str
    none_open: str
    since: str
    peak: str
    per_hour: str
    fresh: str
    late: str
    lost: str
    never: str
    interval: str
    nobody: str
    acknowledged: str
    closed: str
    silenced_until: str
    told_residents: str
    told_nobody: str
    acknowledge: str
    close: str
    silence: str
    lift: str
    reason: str
    act_on: str
    close_hint: str
    silence_hint: str
    span: str
    hours: str
    actions: dict[str, str]
    silences: str
    silences_none: str
    everywhere: str
    silence_line: str
    notices: str
    notices_none: str
    issued_at: str
    notice: str
    sent: str
    failed: str
    withheld: str
    withheld_none: str
    why: str
    incidents: str
    incidents_none: str
    incident_open: str
    ended: str
    residents: str
    operators: str
    login: str
    login_hint: str
    key_label: str
    name: str
    enter: str
    leave: str
    wrong: str
    refused: str
    done: str
    changed: str
    reasons: dict[str, str]
    kinds: dict[str, str]
    incident_kinds: dict[str, str]
    ends: dict[str, str]
