"""
The files texts/<language>.yaml of a city -> its texts, which are known to render.

Rule 1: whatever can be wrong with a text is found here, when the configuration is checked, never when a warning is due.
Rule 2: every language says the same, sentence for sentence, from the same facts.
Rule 3: no text poses as an official bulletin, and none denies that an exercise is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from alerts.compose import compose
from alerts.facts import FAMILIES
from alerts.model import NoticeKind
from alerts.phrases import plain_environment
from alerts.samples import samples
from alerts.scripts import Language, Place, Texts, bodies_of, language_of, templates_of
from alerts.wording import Wording
from devices.documents import ConfigurationError, Document, Documents, Problem, validated
from devices.registry import Registry

__all__ = ["Language", "Texts", "texts_of"]

REQUIRED = ("vi", "en")
"""The languages that every city has; the others are held against the first."""
NEVER = ("không phải diễn tập", "tin lũ khẩn cấp", "not a drill", "not an exercise", "official flood bulletin:")
"""A drill that says it is none has frightened a city before; and bulletins are issued by the hydro-meteorological service alone."""


def texts_of(documents: Documents, registry: Registry | None = None) -> Texts:
    """
    Read the texts of a city.

    Args:
        documents: all of the city; those named `texts/<language>.yaml` are read.
        registry: where given, every level that people can be warned of must have its words in every language.

    Returns:
        The texts: composing a notice of any kind with them does not fail.

    Raises:
        ConfigurationError: with the problems of all languages, as far as they can be judged.
    """
    wordings = _wordings(documents)
    _raise_any(problem for name, wording in wordings.items() for problem in _problems(wording, documents[name], registry))
    first, *others = wordings
    _raise_any(problem for name in others for problem in _differences(wordings[name], wordings[first], documents[name]))
    texts = Texts({wording.language: language_of(wording) for wording in wordings.values()})
    _try_out(texts)
    return texts


def _raise_any(problems: Iterable[Problem]) -> None:
    if found := tuple(problems):
        raise ConfigurationError(found)


def _wordings(documents: Documents) -> dict[str, Wording]:
    """Read the files, the one that others are held against first."""
    needed = [f"texts/{language}.yaml" for language in REQUIRED]
    names = [*needed, *sorted(name for name in documents if name.startswith("texts/") and name not in needed)]
    found: dict[str, Wording] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            found[name] = _wording(name, documents)
        except ConfigurationError as error:
            problems += error.problems
    _raise_any(problems)
    return found


def _wording(name: str, documents: Documents) -> Wording:
    if name not in documents:
        raise ConfigurationError([Problem(name, None, "", "the file is missing; copy the one of another language and translate it")])
    wording = validated(Wording, documents[name])
    if name != f"texts/{wording.language}.yaml":
        fix = f"this is the language of texts/{wording.language}.yaml; rename the file or mend the field"
        raise ConfigurationError([documents[name].problem(("language",), fix)])
    return wording


def _problems(wording: Wording, document: Document, registry: Registry | None) -> Iterator[Problem]:
    yield from _missing(wording, document, registry)
    yield from _labels(wording, document)
    names = Counter(name for _, body in bodies_of(wording) for name in body)
    for place, body in bodies_of(wording):
        unknown = [name for name in body if name not in wording.sentences]
        yield from (
            document.problem(place, f"there is no sentence {name!r}; add it under `sentences`, or remove the name") for name in unknown
        )
    for name in set(wording.sentences) - set(names):
        yield document.problem(("sentences", name), "no notice says this sentence; name it in a `body`, or remove it")
    yield from _syntax(wording, document)
    for place, text in templates_of(wording):
        yield from (document.problem(place, f"a text must never say {words!r}; remove it") for words in NEVER if words in text.casefold())


def _missing(wording: Wording, document: Document, registry: Registry | None) -> Iterator[Problem]:
    for family in FAMILIES.values():
        kinds = wording.notices.get(family, {})
        yield from (
            document.problem(("notices", family), f"the kind {kind.value!r} has no text; add it")
            for kind in NoticeKind
            if kind not in kinds
        )
    stations = registry.stations.values() if registry else ()
    held = [thresholds for station in stations for thresholds in station.thresholds if thresholds.quantity in FAMILIES]
    codes = {level.code for thresholds in held for level in thresholds.levels}
    for code in sorted(codes - set(wording.levels)):
        yield document.problem(
            ("levels",), f"stations have the level {code!r}, which has no words here; add its name, meaning, act and brief"
        )


def _labels(wording: Wording, document: Document) -> Iterator[Problem]:
    for part in ("title", "body", "short"):
        if not getattr(wording.exercise, part).startswith(wording.exercise.label):
            yield document.problem(("exercise", part), f"must begin with the label {wording.exercise.label!r}")


def _syntax(wording: Wording, document: Document) -> Iterator[Problem]:
    environment = plain_environment()
    for place, text in templates_of(wording):
        try:
            environment.compile(text)
        except TemplateSyntaxError as error:
            yield document.problem(place, f"this template cannot be read: {error.message}; check its braces and the names of filters")


def _differences(wording: Wording, reference: Wording, document: Document) -> list[Problem]:
    """Hold a language against the reference: the same notices with the same sentences, made of the same facts."""
    said, expected = dict(bodies_of(wording)), dict(bodies_of(reference))
    other = f"texts/{reference.language}.yaml"
    problems = [
        document.problem(place, f"says other sentences than {other}: write {', '.join(expected.get(place, ['nothing']))}")
        for place in {**said, **expected}
        if said.get(place) != expected.get(place)
    ]
    mine, theirs = _facts_by_place(wording), _facts_by_place(reference)
    for place in mine.keys() & theirs.keys():
        if mine[place] != theirs[place]:
            names = ", ".join(sorted(mine[place] ^ theirs[place]))
            problems.append(document.problem(place, f"is made of other facts than in {other}; only one of the two uses: {names}"))
    return sorted(problems, key=lambda problem: problem.line or 0)


def _facts_by_place(wording: Wording) -> Mapping[Place, set[str]]:
    """Give the names and filters that each title and sentence uses; short texts differ, because their room does."""
    environment = plain_environment()
    return {
        place: find_undeclared_variables(tree) | {f"|{found.name}" for found in tree.find_all(nodes.Filter)}
        for place, text in templates_of(wording)
        if place[0] in ("sentences", "notices") and "short" not in place
        for tree in [environment.parse(text)]
    }


def _try_out(texts: Texts) -> None:
    """Compose every sample; raises ConfigurationError with the first that fails in each language."""
    for facts in samples():
        for code, language in texts.languages.items():
            try:
                compose(facts, Texts({code: language}))
            except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                where = f"notices.{facts['family']}.{facts['kind']}"
                fix = f"cannot be composed at level {facts['level']}: {error}; use the names and filters of the shipped texts"
                raise ConfigurationError([Problem(f"texts/{code}.yaml", None, where, fix)]) from error
