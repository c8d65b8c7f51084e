"""
The tables of the ledger, for SQLite and PostgreSQL alike.

Rule 1: instants are integers of microseconds UTC (SQLite gives back naive datetimes).
Rule 2: alarms, told-state, notices, deliveries to make and the cursor of the change feed are committed together.
Rule 3: deliveries are a cursor over recipients and rows for failures, never a row a recipient.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

cursor = Table(
    "cursor",
    metadata,
    Column("name", String(32), primary_key=True),  # "changes"
    Column("spool", String(36), nullable=False),  # UUID of the spool whose ordinals these are
    Column("ordinal", BigInteger, nullable=False),
)

change = Table(  # every change that was read from the feed, with its latest verb
    "change",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("ordinal", BigInteger, nullable=False),
    Column("standing", Boolean, nullable=False),  # False: withdrawn
    Column("rule", String(64), nullable=False),
    Column("station", String(32), nullable=False),
    Column("quantity", String(32), nullable=False),
    Column("device", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("level", Integer, nullable=False),
    Column("was", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("value", Float),
    Column("peak", Float),
    Index("change_subject", "station", "quantity", "at"),
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("station", String(32), nullable=False),
    Column("quantity", String(32), nullable=False),
    Column("device", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("level", Integer, nullable=False),
    Column("level_id", String(16)),
    Column("opened_at", BigInteger, nullable=False),
    Column("level_at", BigInteger, nullable=False),
    Column("value", Float),
    Column("observed_at", BigInteger),
    Column("received_at", BigInteger),
    Column("trend", Float),
    Column("peak", Float),
    Column("peak_at", BigInteger),
    Column("interval", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("end", String(16)),
    Column("phase", String(16), nullable=False),
    Column("phase_at", BigInteger, nullable=False),
    Column("handling", String(16), nullable=False),
    Column("handled_by", String(128)),
    Column("handled_at", BigInteger),
    Column("handling_reason", Text),
    Column("revision", String(64), nullable=False),
    Index("alarm_subject", "station", "quantity", "opened_at"),
)

told = Table(
    "told",
    metadata,
    Column("alarm", String(16), primary_key=True),
    Column("audience", String(16), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("level_id", String(16)),
    Column("highest", Integer, nullable=False),
    Column("lost", Boolean, nullable=False),
    Column("notice", String(32)),
    Column("told_at", BigInteger),
    Column("end", String(16)),
)

notice = Table(
    "notice",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("alarm", String(16), nullable=False),
    Column("audience", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("level", Integer, nullable=False),
    Column("was", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("texts", JSON, nullable=False),
    Column("why", String(32)),  # what came to differ from what was told (alerts/plan.py), for operators
    UniqueConstraint("alarm", "audience", "sequence"),
    Index("notice_issued", "issued_at"),
)

withheld = Table(
    "withheld",
    metadata,
    Column("alarm", String(16), primary_key=True),
    Column("audience", String(16), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False),  # the first time
)

recipient = Table(  # who is told, by which channel; a removed one stays, for the end of what it was warned of
    "recipient",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("audience", String(16), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("address", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    UniqueConstraint("audience", "channel", "address"),
)

delivery = Table(  # one notice by one channel: a cursor over its recipients
    "delivery",
    metadata,
    Column("notice", String(32), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("cursor", BigInteger, nullable=False),  # highest recipient id that was attempted
    Column("state", String(16), nullable=False),  # waiting, retrying, done, expired, superseded, refused (alerts/ledger/deliveries.py)
    Column("leased_until", BigInteger),  # real time: leases do not follow a rehearsal's clock
    Column("sent", Integer, nullable=False),
    Column("failed", Integer, nullable=False),  # given up for good
    Column("done_at", BigInteger),
    Index("delivery_state", "state"),
)

failure = Table(  # a recipient that was attempted and has to be tried again, or was given up
    "failure",
    metadata,
    Column("notice", String(32), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("recipient", Integer, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),  # real time
    Column("permanent", Boolean, nullable=False),
    Column("error", Text, nullable=False),
)

receipt = Table(
    "receipt",
    metadata,
    Column("notice", String(32), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("recipient", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),  # what the provider calls it
)

silence = Table(
    "silence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station", String(32)),  # None: every station
    Column("quantity", String(32)),
    Column("from_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", String(128), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("lifted_at", BigInteger),
)

incident = Table(  # what is wrong with ourselves: deaf, session lost, a file away
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)

action = Table(  # what operators did
    "action",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("by", String(128), nullable=False),
    Column("verb", String(32), nullable=False),  # acknowledge, close, silence, lift, release
    Column("alarm", String(16)),
    Column("reason", Text),
)
