"""Nothing -> all tables of the first version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _what_was_read()
    _alarms()
    _what_was_told()
    _people()
    _deliveries()


def _what_was_read() -> None:
    op.create_table(
        "cursor",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("spool", sa.String(36), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "change",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("quantity", sa.String(32), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("was", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("peak", sa.Float()),
    )
    op.create_index("change_subject", "change", ["station", "quantity", "at"])
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
    )


def _alarms() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("station", sa.String(32), nullable=False),
        sa.Column("quantity", sa.String(32), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("level_id", sa.String(16)),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("level_at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("observed_at", sa.BigInteger()),
        sa.Column("received_at", sa.BigInteger()),
        sa.Column("trend", sa.Float()),
        sa.Column("peak", sa.Float()),
        sa.Column("peak_at", sa.BigInteger()),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("end", sa.String(16)),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("phase_at", sa.BigInteger(), nullable=False),
        sa.Column("handling", sa.String(16), nullable=False),
        sa.Column("handled_by", sa.String(128)),
        sa.Column("handled_at", sa.BigInteger()),
        sa.Column("handling_reason", sa.Text()),
        sa.Column("revision", sa.String(64), nullable=False),
    )
    op.create_index("alarm_subject", "alarm", ["station", "quantity", "opened_at"])


def _what_was_told() -> None:
    op.create_table(
        "told",
        sa.Column("alarm", sa.String(16), primary_key=True),
        sa.Column("audience", sa.String(16), primary_key=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("level_id", sa.String(16)),
        sa.Column("highest", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.Column("notice", sa.String(32)),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("end", sa.String(16)),
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("alarm", sa.String(16), nullable=False),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("was", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("why", sa.String(32)),
        sa.UniqueConstraint("alarm", "audience", "sequence"),
    )
    op.create_index("notice_issued", "notice", ["issued_at"])
    op.create_table(
        "withheld",
        sa.Column("alarm", sa.String(16), primary_key=True),
        sa.Column("audience", sa.String(16), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("level", sa.Integer(), primary_key=True),
        sa.Column("reason", sa.String(32), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )


def _people() -> None:
    op.create_table(
        "recipient",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger()),
        sa.UniqueConstraint("audience", "channel", "address"),
    )
    op.create_table(
        "silence",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("station", sa.String(32)),
        sa.Column("quantity", sa.String(32)),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger()),
    )
    op.create_table(
        "action",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("alarm", sa.String(16)),
        sa.Column("reason", sa.Text()),
    )


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("notice", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("leased_until", sa.BigInteger()),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.BigInteger()),
    )
    op.create_index("delivery_state", "delivery", ["state"])
    op.create_table(
        "failure",
        sa.Column("notice", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("recipient", sa.Integer(), primary_key=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_table(
        "receipt",
        sa.Column("notice", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("recipient", sa.Integer(), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
    )
