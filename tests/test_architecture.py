"""
The shape of the whole: who imports whom, what is pure, what names and sizes are allowed.

Every failure says which file and line, and what to do about it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent

ROOMS = frozenset({"devices", "ingest", "rules", "alerts", "grafana", "web", "service"})
ALLOWED: dict[str, frozenset[str]] = {
    "devices": frozenset(),
    "ingest": frozenset({"devices"}),
    "rules": frozenset({"devices"}),
    "alerts": frozenset({"rules", "devices"}),
    "grafana": frozenset({"rules", "devices"}),
    "web": frozenset({"alerts", "rules", "devices", "ingest.archive.query", "ingest.archive.reader"}),
    "service": ROOMS - {"service"},
    "rig": ROOMS,
    "bench": ROOMS | {"rig"},
    "torture": ROOMS | {"rig"},
}
"""Room -> what it may import of ours, itself apart. No room imports `service`, and nobody what tries them."""

PURE = (
    "devices/*.py",
    "rules/*.py",
    *(f"ingest/{name}.py" for name in ("frames", "decode", "accept", "lines", "quality")),
    *(f"ingest/archive/{name}.py" for name in ("query", "points", "forward", "own_figures")),
    *(f"alerts/{name}.py" for name in ("model", "plan", "policy", "facts", "compose", "texts")),
    "grafana/annotations.py",
)
"""Modules that neither touch the world nor read a clock: their answers depend on their arguments alone."""

IMPURE_IMPORTS = frozenset(
    [
        "aiohttp",
        "alembic",
        "apscheduler",
        "asyncio",
        "fastapi",
        "glob",
        "http",
        "httpx",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "paho",
        "pathlib",
        "queue",
        "random",
        "requests",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "smtplib",
        "socket",
        "sqlalchemy",
        "sqlite3",
        "ssl",
        "starlette",
        "structlog",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "urllib3",
        "uvicorn",
    ]
)
CLOCKS = frozenset({"now", "utcnow", "today"})
EFFECTS = frozenset({"open", "print", "input"})

MOST_LINES_OF_A_FUNCTION = 45
MOST_LINES_OF_A_FILE = 300
WORDS = frozenset({"web/languages/en.py", "web/languages/vi.py"})
"""Tables of words, one file a language: as long as there are words."""
HOT_PATH = frozenset({"ingest/accept.py", "ingest/connection.py", "ingest/decode.py", "ingest/frames.py"})
"""Files on the way of every reading, which may trade short functions for speed; their docstrings say so."""

EMPTY_NAMES = frozenset({"util", "utils", "helper", "helpers", "manager", "managers", "base", "misc", "common"})


@dataclass(frozen=True)
class Module:
    """A source file of a room."""

    path: str
    lines: int
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.path.partition("/")[0]


def module(path: str, source: str) -> Module:
    return Module(path, len(source.splitlines()), ast.parse(source))


def modules() -> list[Module]:
    return [
        module(found.relative_to(PROJECT).as_posix(), found.read_text(encoding="utf-8"))
        for room in ALLOWED
        for found in sorted((PROJECT / room).rglob("*.py"))
    ]


@pytest.fixture(scope="module")
def project() -> list[Module]:
    return modules()


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give line and full name of everything that is imported, wherever it stands in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def is_below(name: str, packages: frozenset[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def wrong_directions(one: Module) -> Iterator[str]:
    allowed = ALLOWED[one.room] | {one.room}
    for line, name in imports(one.tree):
        if name.startswith("."):
            yield f"{one.path}:{line} imports {name}: write the full name, so that the direction can be seen"
        elif is_below(name, frozenset(ALLOWED)) and not is_below(name, allowed):
            yield (
                f"{one.path}:{line} imports {name}, but {one.room} may import only {', '.join(sorted(ALLOWED[one.room])) or 'nothing of ours'}: "
                "declare a Protocol beside the caller and let service hand in what fits it, or move the code to the room that owns it"
            )


def impurities(one: Module) -> Iterator[str]:
    advice = "this module is pure: take what it needs as an argument, or move this to a module that is not in PURE"
    for line, name in imports(one.tree):
        if name.partition(".")[0] in IMPURE_IMPORTS:
            yield f"{one.path}:{line} imports {name}; {advice}"
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Call) and (called := impure_call(node)):
            yield f"{one.path}:{node.lineno} calls {called}(); {advice}"


def impure_call(call: ast.Call) -> str | None:
    """Give the name of a call that reads a clock or touches the world."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=verb) if verb in CLOCKS:
            return f"{owner}.{verb}" if owner in {"datetime", "date", "dt"} else None
        case ast.Name(id=verb) if verb in EFFECTS:
            return verb
        case _:
            return None


def length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    match function.body[0]:
        case ast.Expr(value=ast.Constant(value=str())) as docstring:
            return length - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)
        case _:
            return length


def excessive_sizes(one: Module) -> Iterator[str]:
    if one.path in HOT_PATH:
        return
    if one.lines > MOST_LINES_OF_A_FILE and one.path not in WORDS:
        yield f"{one.path} has {one.lines} lines, more than {MOST_LINES_OF_A_FILE}: split it where a second reason to change begins"
    for node in ast.walk(one.tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := length_without_docstring(node)) > MOST_LINES_OF_A_FUNCTION
        ):
            yield f"{one.path}:{node.lineno} {node.name} has {length} lines, more than {MOST_LINES_OF_A_FUNCTION}: name its steps and call them"


def words_of(name: str) -> set[str]:
    """Give the words of a name: `SpoolManager` and `spool_manager` have the same."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)}


def empty_names(one: Module) -> Iterator[str]:
    for part in one.path.removesuffix(".py").split("/"):
        if empty := words_of(part) & EMPTY_NAMES:
            yield f"{one.path}: '{', '.join(empty)}' says nothing: name the file after what is in it"
    for node in ast.walk(one.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if empty := words_of(node.name) & EMPTY_NAMES:
                yield f"{one.path}:{node.lineno} {node.name}: '{', '.join(empty)}' says nothing: name it after what it is or does"
            if node.name == "Warning":
                yield f"{one.path}:{node.lineno} a class Warning hides the exception of Python: it is an Alarm, a Notice or a Change"


def missing_docstring(one: Module) -> Iterator[str]:
    if not ast.get_docstring(one.tree):
        yield f"{one.path}:1 has no docstring: say in its first line what turns into what, then its rules"


def findings(check: Callable[[Module], Iterator[str]], project: list[Module]) -> str:
    return "\n".join(problem for one in project for problem in check(one))


def test_imports_go_one_way(project: list[Module]) -> None:
    problems = findings(wrong_directions, project)

    assert not problems, f"\n{problems}"


def test_pure_modules_touch_nothing_and_read_no_clock(project: list[Module]) -> None:
    pure = [one for one in project if any(Path(one.path).match(pattern) for pattern in PURE)]

    problems = findings(impurities, pure)

    assert pure
    assert not problems, f"\n{problems}"


def test_every_module_says_what_it_turns_into_what(project: list[Module]) -> None:
    problems = findings(missing_docstring, project)

    assert not problems, f"\n{problems}"


def test_functions_and_files_are_short(project: list[Module]) -> None:
    problems = findings(excessive_sizes, project)

    assert not problems, f"\n{problems}"


def test_names_say_something(project: list[Module]) -> None:
    problems = findings(empty_names, project)

    assert not problems, f"\n{problems}"


def test_every_module_that_is_named_here_exists() -> None:
    gone = [pattern for pattern in (*PURE, *HOT_PATH) if not list(PROJECT.glob(pattern))]

    assert not gone, f"PURE and HOT_PATH of this file name {', '.join(gone)}, and there is no such file: write the new name, or take it out"


def test_every_room_is_packaged_and_in_the_table() -> None:
    packaged = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    rooms = {found.parent.name for found in PROJECT.glob("*/__init__.py")} - {"config"}

    assert rooms == set(ALLOWED), "a room is missing in ALLOWED of this file, or has no __init__.py"
    assert set(packaged) >= ROOMS, "a room is missing in [tool.hatch.build.targets.wheel] of pyproject.toml"


def test_no_dependency_owns_one_of_our_names() -> None:
    owners = packages_distributions()

    foreign = {name: set(owners.get(name, [])) - {"canhbao"} for name in (*ALLOWED, "config")}

    assert not any(foreign.values()), f"installed distributions bring packages of the same name, one would hide the other: {foreign}"


def test_no_test_folder_is_a_package() -> None:
    found = [path.relative_to(PROJECT).as_posix() for path in (PROJECT / "tests").rglob("__init__.py")]

    assert not found, f"remove {', '.join(found)}: with it, `import rules` may find the tests of rules"


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("devices/x.py", "import rules", "devices may import only nothing of ours"),
        ("ingest/x.py", "def f():\n    from rules.changes import Said", "ingest/x.py:2 imports rules.changes.Said"),
        ("rules/x.py", "if TYPE_CHECKING:\n    import alerts.model", "rules/x.py:2"),
        ("alerts/x.py", "from service import clock", "service.clock"),
        ("web/x.py", "from ingest.archive.store import Store", "ingest.archive.store"),
        ("web/x.py", "from ingest import feed", "ingest.feed"),
        ("rules/x.py", "from .changes import Said", "write the full name"),
    ],
)
def test_a_wrong_direction_is_found(path: str, source: str, said: str) -> None:
    assert said in "\n".join(wrong_directions(module(path, source)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("service/x.py", "import web.public\nfrom ingest.feed import Feed"),
        ("web/x.py", "from ingest.archive.query import Archive"),
        ("alerts/x.py", "import rulesets, devices.instants"),
    ],
)
def test_a_right_direction_is_let_be(path: str, source: str) -> None:
    assert not list(wrong_directions(module(path, source)))


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from pathlib import Path",
        "import urllib.request",
        "def f():\n    import os.path",
        "from datetime import datetime\nx = datetime.now(UTC)",
        "import datetime\nx = datetime.datetime.utcnow()",
        "import datetime as dt\nx = dt.date.today()",
        "x = open('y')",
    ],
)
def test_an_impurity_is_found(source: str) -> None:
    assert list(impurities(module("rules/x.py", source)))


def test_an_argument_called_now_is_pure() -> None:
    source = "from datetime import datetime\ndef f(now, clock):\n    return clock.now() + datetime.fromtimestamp(now)"

    assert not list(impurities(module("rules/x.py", source)))


def test_a_docstring_does_not_count_as_length() -> None:
    text = "\n".join(["    word"] * 60)
    short = f'def f():\n    """\n{text}\n    """\n    return 1'
    long = "def f():\n" + "    x = 1\n" * MOST_LINES_OF_A_FUNCTION

    assert not list(excessive_sizes(module("rules/x.py", short)))
    assert list(excessive_sizes(module("rules/x.py", long)))


@pytest.mark.parametrize("name", ["SpoolManager", "helper", "RuleBase", "string_utils"])
def test_an_empty_name_is_found(name: str) -> None:
    assert list(empty_names(module("rules/x.py", f"class {name}: pass")))
    assert list(empty_names(module(f"rules/{name}.py", "")))


@pytest.mark.parametrize("name", ["Baseline", "database", "manage", "basement"])
def test_a_word_that_only_looks_empty_is_let_be(name: str) -> None:
    assert not list(empty_names(module(f"rules/{name}.py", f"class {name}: pass")))
