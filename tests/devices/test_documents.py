"""Configuration text: what is read, and how a mistake is told."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

from devices.documents import ConfigurationError, Document, Form, InstantText, Problem, SpanText, read_json, read_yaml, validated
from devices.instants import MINUTE, parse_instant


class Level(Form):
    code: str
    value: float
    kind: Literal["legal", "policy"] = "legal"


class Place(Form):
    id: str
    levels: list[Level] = Field(default_factory=list)


class Places(Form):
    places: list[Place]


class Fast(Form):
    kind: Literal["fast"]
    interval: SpanText


class Slow(Form):
    kind: Literal["slow"]
    since: InstantText


def problems_of(text: str, model: type = Places, name: str = "places.yaml") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        validated(model, read_yaml(name, text))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("08:00", "08:00"),
        ("2025-10-27", "2025-10-27"),
        ("yes", "yes"),
        ("off", "off"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        (".nan", ".nan"),
        ("-.inf", "-.inf"),
        ("19774", 19774),
        ('"19774"', "19774"),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("-0.5", -0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
    ],
)
def test_a_scalar_is_text_unless_it_is_plainly_a_number_or_a_word_of_json(text: str, value: object) -> None:
    document = read_yaml("a.yaml", f"field: {text}")

    assert document.content == {"field": value}
    assert type(document.content["field"]) is type(value)


def test_names_of_fields_are_always_text() -> None:
    document = read_yaml("a.yaml", "on: 1\n19774: 2\nnull: 3")

    assert document.content == {"on": 1, "19774": 2, "null": 3}


def test_every_value_knows_its_line() -> None:
    document = read_yaml("a.yaml", "# comment\nplaces:\n  - id: x\n    levels:\n      - {code: bd1, value: 1}\n")

    assert document.line(("places",)) == 2
    assert document.line(("places", 0, "levels", 0, "value")) == 5
    assert document.line(("places", 0, "levels", 0, "unheard", "of")) == 5
    assert document.line(()) == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "given twice (first in line 1); keep one"),
        ("a: [1, 2\n", 2, "this is not YAML"),
        ("a: 1\n b: 2\n", 2, "check indentation"),
        ("a: &x [1]\nb: *x\n", 1, "write the value out again"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "remove it"),
        ("a: !mine 3\n", 1, "remove it"),
        ("? [a]\n: 1\n", 1, "a plain name before its colon"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: '\x01'\n", None, "plain UTF-8 text"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line_and_the_fix(text: str, line: int | None, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml("a.yaml", text)

    problem = caught.value.problems[0]
    assert (problem.file, problem.line) == ("a.yaml", line)
    assert says in problem.message


def test_all_repeated_fields_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml("a.yaml", "a: 1\na: 2\nb: {c: 1, c: 2}\n")

    assert [problem.where for problem in caught.value.problems] == ["a", "b.c"]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 60 + "1" + "}" * 60])
def test_deep_nesting_ends_in_a_problem_not_in_a_crash(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_yaml("a.yaml", text)


@given(st.text(max_size=200))
def test_any_text_is_either_read_or_refused_with_problems(text: str) -> None:
    with suppress(ConfigurationError):  # nothing else may come out
        read_yaml("a.yaml", text)


def test_an_unknown_field_names_the_nearest_known_one() -> None:
    said = problems_of("places:\n  - id: x\n    levels:\n      - {code: bd1, valeu: 1.0}\n")

    assert "places.yaml:4: places[0].levels[0].valeu: there is no field 'valeu' here; did you mean 'value'?" in said
    assert "places.yaml:4: places[0].levels[0].value: the field 'value' is missing; add it" in said


def test_an_unknown_field_without_a_neighbour_lists_the_known_ones() -> None:
    assert problems_of("places:\n  - id: x\n    zzzz: 1\n") == [
        "places.yaml:3: places[0].zzzz: there is no field 'zzzz' here; remove it, or use one of: id, levels"
    ]


def test_a_number_where_text_belongs_is_shown_in_quotes() -> None:
    assert problems_of("places:\n  - id: 19774\n") == ['places.yaml:2: places[0].id: needs text, is 19774; write it in quotes: "19774"']


def test_a_word_outside_a_choice_names_the_nearest_word() -> None:
    said = problems_of("places:\n  - {id: x, levels: [{code: a, value: 1, kind: legel}]}\n")

    assert said == ["places.yaml:2: places[0].levels[0].kind: 'legel' is not known here; did you mean 'legal'?"]


def test_a_wrong_type_says_what_is_there() -> None:
    said = problems_of("places:\n  - {id: x, levels: [{code: a, value: high}]}\n")

    assert "but it is 'high'; change it" in said[0]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_of("places:\n  - {id: 1}\n  - {di: x}\n  - {id: x, levels: 3}\n")) == 4


def test_an_empty_file_is_a_problem() -> None:
    assert problems_of("# nothing\n") == ["places.yaml: the file is empty; write its fields, or remove the file"]


def test_unions_are_checked_by_their_kind_and_suggest_its_fields() -> None:
    adapter: TypeAdapter[list[Fast | Slow]] = TypeAdapter(list[Annotated[Fast | Slow, Field(discriminator="kind")]])
    document = read_yaml("r.yaml", "- kind: fast\n  intervall: 10 min\n- kind: slow\n  since: 2025-10-27T00:00:00\n")

    with pytest.raises(ConfigurationError) as caught:
        validated(adapter, document)

    said = [str(problem) for problem in caught.value.problems]
    assert any(text.startswith("r.yaml:2:") and "did you mean 'interval'?" in text for text in said)
    assert any(text.startswith("r.yaml:4:") and "offset from UTC" in text for text in said)


def test_spans_and_instants_are_written_with_unit_and_offset() -> None:
    fast = validated(Fast, read_yaml("f.yaml", "kind: fast\ninterval: 10 min"))
    slow = validated(Slow, read_yaml("s.yaml", 'kind: slow\nsince: "2025-10-27T00:00:00+07:00"'))

    assert fast.interval == 10 * MINUTE
    assert slow.since == parse_instant("2025-10-26T17:00:00Z")
    assert "with its unit" in problems_of("kind: fast\ninterval: 600", Fast)[0]
    assert "not a span of time" in problems_of("kind: fast\ninterval: ten", Fast)[0]


def test_a_document_without_lines_is_validated_all_the_same() -> None:
    with pytest.raises(ConfigurationError) as caught:
        validated(Places, Document("places.yaml", {"places": [{"id": 3}]}))

    assert caught.value.problems == (Problem("places.yaml", None, "places[0].id", 'needs text, is 3; write it in quotes: "3"'),)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', "{", "[" * 100_000])
def test_json_is_read_by_the_same_rules(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_json("map.json", text)

    assert read_json("map.json", '{"a": [1, 2.5, null, true, "x"]}').content == {"a": [1, 2.5, None, True, "x"]}
