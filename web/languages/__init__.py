"""The words of the pages: one file a language, and how numbers and instants are written in it."""

from __future__ import annotations

from web.languages.en import ENGLISH
from web.languages.language import Language
from web.languages.vi import VIETNAMESE

LANGUAGES: dict[str, Language] = {language.code: language for language in (VIETNAMESE, ENGLISH)}
"""By code; the first is the one of the address `/`, the others stand at `/<code>`."""
DEFAULT = VIETNAMESE.code

__all__ = ["DEFAULT", "LANGUAGES", "Language"]
