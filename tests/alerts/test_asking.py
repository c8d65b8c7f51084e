from __future__ import annotations

from sqlalchemy import event, insert, select
from sqlalchemy.dialects import postgresql

from alerts.ledger import schema
from alerts.ledger.asking import among, is_among
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger

COLUMN = schema.recipient.c.address


def test_any_number_of_values_is_asked_in_one_wording_and_selects_just_these(tmp_path):
    engine, texts = open_ledger(ledger_url(tmp_path / "ledger.db")), set()
    migrate(engine)
    names = [f"r{number:03}" for number in range(300)]
    row = {"audience": "residents", "channel": "log", "language": "vi", "added_at": 1}
    with engine.begin() as connection:
        connection.execute(insert(schema.recipient), [{**row, "address": name} for name in names])
    event.listen(engine, "before_cursor_execute", lambda _c, _u, text, *_: texts.add(text))

    with engine.connect() as connection:
        for count in range(301):
            found = connection.execute(select(COLUMN).where(is_among(COLUMN)), among(names[:count])).scalars().all()
            assert sorted(found) == names[:count]

    assert len([text for text in texts if text.startswith("SELECT")]) == 1


def test_postgresql_is_asked_in_its_own_words():
    asked = select(COLUMN).where(is_among(COLUMN))

    text = str(asked.compile(dialect=postgresql.dialect()))

    assert "json_array_elements_text(CAST(%(among)s::VARCHAR AS JSON))" in text
    assert "json_each" not in text
