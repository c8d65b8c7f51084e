"""What can be wrong with the texts of a city is found when they are read."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.samples import REGISTRY
from alerts.texts import texts_of
from devices.documents import ConfigurationError, read_yaml
from devices.stations import LegalLevel

TEXTS = Path(__file__).parents[2] / "config" / "hue" / "texts"
SHIPPED = {f"texts/{path.name}": read_yaml(f"texts/{path.name}", path.read_text()) for path in sorted(TEXTS.glob("*.yaml"))}


def problems(documents, registry=None):
    with pytest.raises(ConfigurationError) as caught:
        texts_of(documents, registry)
    return caught.value.problems


def changed(language, change):
    name = f"texts/{language}.yaml"
    content = copy.deepcopy(SHIPPED[name].content)
    change(content)
    return {**SHIPPED, name: replace(SHIPPED[name], content=content)}


def test_the_shipped_texts_are_right_in_both_languages():
    texts = texts_of(SHIPPED, REGISTRY)

    assert list(texts.languages) == ["vi", "en"]


def test_another_language_is_another_file():
    english = SHIPPED["texts/en.yaml"]
    french = replace(english, name="texts/fr.yaml", content={**english.content, "language": "fr"})

    texts = texts_of({**SHIPPED, "texts/fr.yaml": french})

    assert list(texts.languages) == ["vi", "en", "fr"]


def test_a_missing_language_is_named():
    [problem] = problems({"texts/vi.yaml": SHIPPED["texts/vi.yaml"]})

    assert (problem.file, "is missing" in problem.message) == ("texts/en.yaml", True)


def test_a_file_in_the_wrong_language_is_refused():
    [problem] = problems({**SHIPPED, "texts/en.yaml": replace(SHIPPED["texts/vi.yaml"], name="texts/en.yaml")})

    assert "texts/vi.yaml" in problem.message


@pytest.mark.parametrize("kind", ["all_clear", "correction", "lost"])
def test_a_missing_kind_is_named(kind):
    [problem] = problems(changed("vi", lambda content: content["notices"]["river"].pop(kind)))[:1]

    assert f"the kind {kind!r} has no text" in problem.message
    assert problem.line is not None


def test_an_unknown_field_is_refused():
    [problem] = problems(changed("vi", lambda content: content["notices"]["river"]["warning"].update(titel="x")))

    assert "titel" in problem.where


def test_a_template_with_a_broken_brace_is_named_with_its_line():
    found = problems(changed("vi", lambda content: content["sentences"].update(area="Khu vực: {{ wards | areas }")))

    assert any(problem.where == "sentences.area" and problem.line and "cannot be read" in problem.message for problem in found)


def test_an_unknown_filter_is_named():
    found = problems(changed("vi", lambda content: content["sentences"].update(area="Khu vực: {{ wards | aeras }}.")))

    assert any("aeras" in problem.message for problem in found)


def test_a_fact_that_does_not_exist_is_an_error_and_never_a_blank():
    def both(sentence):
        documents = changed("vi", lambda content: content["sentences"].update(hotline=sentence))
        return {**documents, "texts/en.yaml": changed("en", lambda content: content["sentences"].update(hotline=sentence))["texts/en.yaml"]}

    [problem] = problems(both("Call {{ hot_line }}."))

    assert "hot_line" in problem.message
    assert problem.where.startswith("notices.")


def test_a_template_cannot_reach_outside_its_sandbox():
    def both(sentence):
        documents = changed("vi", lambda content: content["sentences"].update(hotline=sentence))
        return {**documents, "texts/en.yaml": changed("en", lambda content: content["sentences"].update(hotline=sentence))["texts/en.yaml"]}

    [problem] = problems(both("{{ hotline.__class__.__mro__ }}"))

    assert "unsafe" in problem.message


def test_a_language_that_leaves_a_fact_out_is_refused():
    found = problems(changed("en", lambda content: content["sentences"].update(raised="The warning is raised to {{ level | name }}.")))

    assert [(problem.file, problem.where) for problem in found] == [("texts/en.yaml", "sentences.raised")]
    assert "was" in found[0].message


def test_a_language_that_leaves_a_sentence_out_is_refused():
    found = problems(changed("en", lambda content: content["notices"]["river"]["warning"]["body"].remove("act")))

    assert [problem.where for problem in found] == ["notices.river.warning.body"]


def test_a_sentence_that_nobody_wrote_and_one_that_nobody_says_are_named():
    found = problems(changed("vi", lambda content: content["sentences"].update(extra="Thêm.")))
    others = problems(changed("vi", lambda content: content["notices"]["river"]["warning"]["body"].append("nothing")))

    assert [problem.where for problem in found] == ["sentences.extra"]
    assert "there is no sentence 'nothing'" in others[0].message


@pytest.mark.parametrize("words", ["Đây không phải diễn tập.", "This is not a drill.", "Tin lũ khẩn cấp."])
def test_what_must_never_be_said_is_refused(words):
    found = problems(changed("vi", lambda content: content["sentences"].update(next=words)))

    assert any("must never say" in problem.message for problem in found)


@pytest.mark.parametrize("part", ["title", "body", "short"])
def test_the_label_of_an_exercise_cannot_be_left_out(part):
    [problem] = problems(changed("vi", lambda content: content["exercise"].update({part: "Thử: "})))

    assert problem.where == f"exercise.{part}"


def test_a_level_of_a_station_without_words_is_named():
    river = REGISTRY.stations["river"]
    levels = (*river.thresholds[0].levels, LegalLevel(5, "bd9", 7.0))
    registry = replace(REGISTRY, stations={"river": replace(river, thresholds=(replace(river.thresholds[0], levels=levels),))})

    found = problems(SHIPPED, registry)

    assert [problem.file for problem in found] == ["texts/vi.yaml", "texts/en.yaml"]
    assert all("'bd9'" in problem.message for problem in found)
