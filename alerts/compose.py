"""
The facts of a notice -> its title, body and short text, in every language of the city.

Rule 1: an exercise begins with the words that say so, in every text; they are put here, where no template can leave them out.
Rule 2: the same facts and texts give the same words, whenever and wherever they are composed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Template

from alerts.lengths import is_one_sms, without_diacritics
from alerts.model import Status
from alerts.scripts import Language, Texts


def compose(facts: Mapping[str, Any], texts: Texts) -> dict[str, dict[str, str]]:
    """
    Write a notice.

    Args:
        facts: of `alerts.facts.facts_of`.
        texts: the city's.

    Returns:
        By language: `title` (a sentence without its full stop), `body` (sentences in one paragraph), `short` (one SMS).
    """
    return {code: _say(facts, language) for code, language in texts.languages.items()}


def _say(facts: Mapping[str, Any], language: Language) -> dict[str, str]:
    script = language.scripts[facts["family"], facts["kind"], facts["audience"]]
    labels = language.wording.exercise if facts["status"] == Status.EXERCISE else None
    title = said(script.title, facts)
    body = " ".join(sentence for sentence in (said(template, facts) for template in script.body) if sentence)
    shorts = [said(template, facts) for template in script.short]
    return {
        "title": (labels.title if labels else "") + title,
        "body": (labels.body if labels else "") + body,
        "short": fitting([(labels.short if labels else "") + text for text in shorts], language.wording.short_alphabet),
    }


def said(template: Template, facts: Mapping[str, Any]) -> str:
    """Render one template: composed Unicode (NFC), one line, single spaces."""
    return unicodedata.normalize("NFC", " ".join(template.render(facts).split()))


def fitting(texts: Iterable[str], alphabet: str) -> str:
    """
    Choose the first text that goes into one SMS.

    Args:
        texts: from the fullest to the shortest.
        alphabet: `ucs2` keeps diacritics; `gsm7` writes all without.

    Returns:
        The text; where none fits with its diacritics, the first that fits without; where none does, the shortest.
    """
    candidates = list(texts)
    plain = [without_diacritics(text) for text in candidates]
    ordered = plain if alphabet == "gsm7" else candidates + plain
    return next((text for text in ordered if is_one_sms(text)), ordered[-1])
