"""The last 48 hours of a gauge -> the sentence that tells what the chart shows."""

from __future__ import annotations

from web.public.drawing import Chart
from web.public.state import History
from web.public.writing import Writing


def chart_text(history: History, p: Writing) -> str:
    """Give the sentence: from, to, highest, and since when nothing is known."""
    lists, quantity, buckets = p.language.lists, history.gauge.quantity, history.buckets
    if not buckets:
        return lists.chart_empty
    first, last = buckets[0], buckets[-1]
    highest = max(buckets, key=lambda bucket: bucket.high)
    said = [
        lists.chart_from_to.format(
            first=p.measure(first.mean, quantity),
            first_at=p.plain_short_clock(first.start_at),
            last=p.measure(last.mean, quantity),
            last_at=p.plain_short_clock(last.start_at),
        ),
        lists.chart_highest.format(value=p.measure(highest.high, quantity), at=p.plain_short_clock(highest.start_at)),
    ]
    if not history.gauge.is_heard:
        said.append(lists.chart_unknown_since.format(at=p.plain_short_clock(last.start_at)))
    return " ".join(said)


def value_text(value: float, chart: Chart, p: Writing) -> str:
    """Give a value of the axis with as many decimals as its steps need."""
    step = min((abs(one - other) for (one, _), (other, _) in zip(chart.values, chart.values[1:], strict=False)), default=1.0)
    return p.language.number(value, 0 if step >= 1 else 1)
