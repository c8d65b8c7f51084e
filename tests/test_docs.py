"""The documents tell the truth: references are those of the code, links lead somewhere, commands exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
_COMMAND = re.compile(r"canhbao ([a-z]+)(?: ([a-z]+))?")
_CODE = re.compile(r"```(?:sh)?\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def commands() -> dict[str, set[str]]:
    import typer

    from service.cli import app

    return {name: set(getattr(command, "commands", {})) for name, command in typer.main.get_command(app).commands.items()}  # type: ignore[attr-defined]


def spoken_of(page: Path) -> Iterator[tuple[str, str]]:
    for block, inline in _CODE.findall(page.read_text(encoding="utf-8")):
        yield from ((found[1], found[2] or "") for found in _COMMAND.finditer(block or inline))


def test_the_reference_is_that_of_the_code() -> None:
    from service.reference import differences, reference_pages

    different = differences(reference_pages(), ROOT / "docs" / "reference")

    assert not different, f"{', '.join(different)} differ from the code; run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_are_spoken_of_exist(page: Path) -> None:
    known = commands()

    unknown = [
        f"{name} {word}" for name, word in spoken_of(page) if name not in known or (word and known[name] and word not in known[name])
    ]

    assert unknown == []


def test_the_makefile_has_the_targets_that_are_spoken_of() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [inline or block for page in PAGES for block, inline in _CODE.findall(page.read_text(encoding="utf-8"))]

    spoken = {name for text in texts for name in re.findall(r"(?:^|\n)make ([a-z]+)", text)}

    assert spoken
    assert spoken <= targets
