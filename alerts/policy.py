"""
policy.yaml of a city -> who is told what, from which level, by which channel.

Rule 1: operators are told from the first level of every rule; residents from the level that the city names, and of no rule that it does not name.
Rule 2: levels are named by their code, because the number of a code differs from station to station.
Rule 3: no secret stands in the file, only its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from alerts.channels.catalogue import ChannelSettings
from alerts.model import Audience, NoticeKind, Status
from devices.documents import ConfigurationError, Document, Documents, Form, Problem, SpanText, validated
from devices.instants import Span
from devices.registry import Registry
from devices.stations import Thresholds

FILE = "policy.yaml"
ENDS = frozenset({NoticeKind.ALL_CLEAR, NoticeKind.CORRECTION, NoticeKind.CLOSED})
"""What may not be lost: it says that what people believe is over or was wrong."""


@dataclass(frozen=True, slots=True)
class RulePolicy:
    """What a city says about the levels of one rule."""

    order: tuple[str, ...]
    """The codes that stations may have, from the lowest; a station need not have all."""
    residents: str | None
    """The code from which residents are told; None: never."""


@dataclass(frozen=True, slots=True)
class PolicyRecipient:
    """Somebody to tell, as the file names them."""

    audience: Audience
    channel: str
    address: str
    language: str


@dataclass(frozen=True, slots=True)
class Policy:
    """All that a city decided about telling people."""

    rules: Mapping[str, RulePolicy]
    single_gauge_public: bool
    """Whether one gauge may warn residents in earnest without anybody's approval."""
    currency: int
    """Intervals of a sensor for which its newest reading counts as the present."""
    tell_old_after: Span
    """Nothing has arrived for so long: operators are told of what is known, with its age."""
    expiry: Span
    """From issue until a notice is not worth sending any more."""
    expiry_of_ends: Span
    """The same for ends and corrections, which are owed longer."""
    channels: Mapping[str, ChannelSettings]
    recipients: tuple[PolicyRecipient, ...]
    slack: Span = 0
    """Added to currency: the delays of a machine on which a rehearsal runs faster than the world does."""

    def from_level(self, rule: str, audience: Audience, thresholds: Thresholds | None) -> int | None:
        """
        Give the number of the level from which an audience is told.

        Args:
            rule: by name.
            audience: who.
            thresholds: of the station at the instant of the reading; None where no level is known.

        Returns:
            1 or more; a number above the highest where the station has no such level; None where the audience is told nothing of this rule, or no level is known.
        """
        if audience is Audience.OPERATORS:
            return 1
        found = self.rules.get(rule)
        if found is None or found.residents is None:
            return None
        enough = found.order[found.order.index(found.residents) :]
        levels = thresholds.levels if thresholds else ()
        if not levels:
            return None
        return min((level.number for level in levels if level.code in enough), default=len(levels) + 1)

    def expires_after(self, kind: NoticeKind) -> Span:
        """Give the span from issue to expiry of a kind of notice."""
        return self.expiry_of_ends if kind in ENDS else self.expiry

    def channels_of(self, status: Status) -> frozenset[str]:
        """Give the channels that are bound to a status: an exercise never shares one with earnest."""
        return frozenset(name for name, settings in self.channels.items() if settings.status is status)


# ---- the file

Name = Annotated[str, Field(pattern=r"[a-z0-9-]{1,32}")]


class RuleForm(Form):
    """One rule of `rules`."""

    levels: Annotated[list[str], Field(min_length=1)]
    residents: str | None = None


class ExpiryForm(Form):
    """The part `expiry`."""

    notices: SpanText
    ends: SpanText


class RecipientForm(Form):
    """One recipient of an audience."""

    channel: str
    address: Annotated[str, Field(min_length=1)]
    language: str


class RecipientsForm(Form):
    """The part `recipients`."""

    operators: list[RecipientForm]
    residents: list[RecipientForm]


class PolicyForm(Form):
    """The whole file."""

    rules: dict[str, RuleForm]
    single_gauge_public: bool = False
    currency: Annotated[int, Field(ge=1, le=12)] = 2
    tell_old_after: SpanText
    expiry: ExpiryForm
    channels: dict[Name, ChannelSettings]
    recipients: RecipientsForm


def policy_of(documents: Documents, registry: Registry | None = None) -> Policy:
    """
    Build the policy from `policy.yaml`.

    Args:
        documents: of the city; rules and texts are looked at only for their names.
        registry: where given, codes of levels that no station has are problems.

    Raises:
        ConfigurationError: with every problem of the file.
    """
    document = documents.get(FILE)
    if document is None:
        raise ConfigurationError([Problem(FILE, None, "", "the file is missing; add it to the folder of the city")])
    form = validated(PolicyForm, document)
    problems = [*_rule_problems(document, form, documents, registry), *_recipient_problems(document, form, documents)]
    if problems:
        raise ConfigurationError(problems)
    return Policy(
        rules={name: RulePolicy(tuple(rule.levels), rule.residents) for name, rule in form.rules.items()},
        single_gauge_public=form.single_gauge_public,
        currency=form.currency,
        tell_old_after=form.tell_old_after,
        expiry=form.expiry.notices,
        expiry_of_ends=form.expiry.ends,
        channels=dict(form.channels),
        recipients=tuple(_recipients(form)),
    )


def _recipients(form: PolicyForm) -> Iterator[PolicyRecipient]:
    for audience in Audience:
        for each in getattr(form.recipients, audience.value):
            yield PolicyRecipient(audience, each.channel, each.address, each.language)


def _rule_problems(document: Document, form: PolicyForm, documents: Documents, registry: Registry | None) -> Iterator[Problem]:
    known = {_rule_name(found) for name, found in documents.items() if name.startswith("rules/")}
    codes = _codes(registry) if registry else None
    for name, rule in form.rules.items():
        if known and name not in known:
            yield document.problem(("rules", name), f"no file of rules/ has the rule {name!r}; write one of: {', '.join(sorted(known))}")
        if rule.residents is not None and rule.residents not in rule.levels:
            yield document.problem(
                ("rules", name, "residents"), f"{rule.residents!r} is none of the levels; write one of: {', '.join(rule.levels)}"
            )
        for index, code in enumerate(rule.levels):
            if codes is not None and code not in codes:
                yield document.problem(
                    ("rules", name, "levels", index), f"no station has a level {code!r}; write one of: {', '.join(sorted(codes))}"
                )


def _recipient_problems(document: Document, form: PolicyForm, documents: Documents) -> Iterator[Problem]:
    languages = {name.removeprefix("texts/").removesuffix(".yaml") for name in documents if name.startswith("texts/")}
    seen: set[tuple[str, str, str]] = set()
    for audience in Audience:
        for index, each in enumerate(getattr(form.recipients, audience.value)):
            place = ("recipients", audience.value, index)
            if each.channel not in form.channels:
                known = ", ".join(sorted(form.channels))
                yield document.problem(
                    (*place, "channel"), f"there is no channel {each.channel!r}; add it to channels, or write one of: {known}"
                )
            if languages and each.language not in languages:
                yield document.problem(
                    (*place, "language"), f"there are no texts in {each.language!r}; write one of: {', '.join(sorted(languages))}"
                )
            identity = (audience.value, each.channel, each.address)
            if identity in seen:
                yield document.problem(place, f"{each.address} is told twice by {each.channel}; remove one of the two")
            seen.add(identity)


def _rule_name(document: Document) -> str:
    return str(document.content.get("rule", "")) if isinstance(document.content, Mapping) else ""


def _codes(registry: Registry) -> set[str]:
    return {level.code for station in registry.stations.values() for thresholds in station.thresholds for level in thresholds.levels}
