"""The documents say what the code has, and point at what is there.

Every setting, check, command and option is documented, and nothing else is; every link and every
test that a document names exists.
"""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from trailkeeper import checks
from trailkeeper.conf import DEFAULTS, ENVIRONMENT_URL
from trailkeeper.management.commands.trailkeeper import Command

ROOT: Final = Path(__file__).resolve().parents[3]
REFERENCE: Final = ROOT / "docs" / "reference"
DOCUMENTS: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md")]
)

Row = list[str]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def table_rows(text: str) -> Iterator[Row]:
    """The cells of every row of every table; a cell with `|` in it is not told apart."""
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def code_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def sections(path: Path) -> dict[str, str]:
    """The text behind each heading that names a command, by that command."""
    parts = re.split(r"^#+ (.*)$", read(path), flags=re.MULTILINE)
    named = zip(parts[1::2], parts[2::2], strict=True)
    return {code_in(heading)[0]: text for heading, text in named if code_in(heading)}


def documented_options(text: str) -> set[str]:
    """The options in the first cells of the tables of `text`, short ones included."""
    cells = " ".join(row[0] for row in table_rows(text))
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", cells))


# Settings.

SETTINGS: Final = {
    code_in(row[0])[0]: row
    for row in table_rows(read(REFERENCE / "settings.md"))
    if code_in(row[0])
}


def test_the_settings_that_are_documented_are_those_that_exist() -> None:
    assert sorted(SETTINGS) == sorted(DEFAULTS)
    assert ENVIRONMENT_URL in read(REFERENCE / "settings.md")


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_documented_default_is_the_one_in_the_code(name: str) -> None:
    assert ast.literal_eval(code_in(SETTINGS[name][2])[0]) == DEFAULTS[name]


@pytest.mark.parametrize("name", sorted({*checks.TYPES, *checks.CHOICES}))
def test_a_documented_type_is_the_one_that_is_checked(name: str) -> None:
    types = [None if t is type(None) else t.__name__ for t in checks.TYPES.get(name, ())]
    choices = [f'"{choice}"' for choice in checks.CHOICES.get(name, ())]
    assert code_in(SETTINGS[name][1]) == [*map(str, types), *choices]


# Checks.


def test_the_checks_that_are_documented_are_those_that_exist() -> None:
    pattern = re.compile(r"trailkeeper\.[EW]\d{3}")
    source = ROOT / "python" / "src" / "trailkeeper"
    existing = {found for path in source.rglob("*.py") for found in pattern.findall(read(path))}
    rows = table_rows(read(REFERENCE / "checks.md"))
    documented = [row[0].strip("`") for row in rows if pattern.search(row[0])]
    assert documented == sorted(existing)


# Commands.

COMMANDS: Final = sections(REFERENCE / "commands.md")


def command_line() -> dict[str, tuple[set[str], set[str]]]:
    """What `args.rs` declares: for each struct its options and environment variables.

    Those of a struct within it are its own, but for `Place`, which every command has.
    """
    text = read(ROOT / "crates" / "cli" / "src" / "args.rs")
    structs = re.findall(r"^pub\(crate\) struct (\w+) \{\n(.*?)^\}", text, re.M | re.S)
    declared = {}
    for struct, body in structs:
        options, variables = set(), set()
        for attribute, field in re.findall(
            r"#\[arg\(([^\]]*)\)\]\s*pub\(crate\) (\w+):", body, re.S
        ):
            words = re.findall(r'(?<!")\b(long|short|env)\b(?: = "([^"]+)")?', attribute)
            for kind, given in words:
                if kind == "env":
                    variables.add(given)
                elif kind == "short":
                    options.add("-" + (given or field[0]))
                else:
                    options.add("--" + (given or field.replace("_", "-")))
        declared[struct] = (options, variables)
    for struct, body in structs:
        for inner in re.findall(r"#\[command\(flatten\)\]\s*pub\(crate\) \w+: (\w+)", body):
            if inner != "Place":
                for mine, theirs in zip(declared[struct], declared[inner], strict=True):
                    mine |= theirs
    return declared


def subcommands() -> dict[str, str]:
    """The subcommands of `args.rs`, each with its struct of options."""
    text = read(ROOT / "crates" / "cli" / "src" / "args.rs")
    body = re.search(r"^pub\(crate\) enum Command \{\n(.*?)^\}", text, re.M | re.S)
    assert body is not None
    return {name.lower(): struct for name, struct in re.findall(r"(\w+)\((\w+)\),", body[1])}


def test_the_command_line_was_understood() -> None:
    declared = command_line()
    assert {"--store", "--spool"} <= declared["Place"][0]
    assert set(subcommands().values()) <= set(declared)
    assert "verify" in subcommands()


def test_the_commands_that_are_documented_are_those_that_exist() -> None:
    expected = {"trailkeeper", *(f"trailkeeper {name}" for name in subcommands())}
    expected |= {"manage.py trailkeeper", *(f"manage.py trailkeeper {name}" for name in managed())}
    assert set(COMMANDS) == expected


@pytest.mark.parametrize("name", subcommands())
def test_the_options_of_a_command_are_documented(name: str) -> None:
    options, variables = command_line()[subcommands()[name]]
    assert documented_options(COMMANDS[f"trailkeeper {name}"]) == options
    assert not variables


def test_the_options_of_every_command_are_documented() -> None:
    options, variables = command_line()["Place"]
    assert documented_options(COMMANDS["trailkeeper"]) == options
    assert variables <= set(code_in(COMMANDS["trailkeeper"]))


def managed() -> dict[str, argparse.ArgumentParser]:
    """The subcommands of `manage.py trailkeeper`, each with its parser."""
    parser: Any = Command().create_parser("manage.py", "trailkeeper")
    (action,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


@pytest.mark.parametrize("name", managed())
def test_the_options_of_a_managed_command_are_documented(name: str) -> None:
    common = {"-h", "--help"}
    options = {text for action in managed()[name]._actions for text in action.option_strings}
    assert documented_options(COMMANDS[f"manage.py trailkeeper {name}"]) == options - common


# Links, tests and targets that documents name.


def prose(path: Path) -> str:
    """The text without blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", read(path), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings have on a Git host."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(path: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(path: Path) -> None:
    assert list(broken_links(path)) == []


def named_tests(path: Path) -> list[tuple[Path, str]]:
    """The tests that a document names; a file without a folder is one of the integration tests."""
    integration = ROOT / "python" / "tests" / "integration"
    return [
        (ROOT / file if "/" in file else integration / file, name)
        for file, name in re.findall(r"`([\w/.]+)::(\w+)`", read(path))
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_are_named_exist(path: Path) -> None:
    missing = [
        f"{file}::{name}"
        for file, name in named_tests(path)
        if not file.exists() or not re.search(rf"\b(fn|def) {name}\b", read(file))
    ]
    assert missing == []


def test_that_promises_and_ways_to_write_have_tests() -> None:
    assert len(named_tests(ROOT / "ARCHITECTURE.md")) > 25
    assert len(named_tests(ROOT / "docs" / "guide" / "write-paths.md")) > 45


def test_that_the_readme_names_tests_of_the_architecture() -> None:
    promised = read(ROOT / "README.md").split("## What is guaranteed")[1].split("\n## ")[0]
    named = [name for name in code_in(promised) if re.fullmatch(r"[a-z]\w*_\w+_\w+_\w+", name)]
    held = {name for _, name in re.findall(r"([\w/.]+)::(\w+)", read(ROOT / "ARCHITECTURE.md"))}
    assert len(named) > 10
    assert sorted(set(named) - held) == []


def test_architecture_is_short() -> None:
    assert len(read(ROOT / "ARCHITECTURE.md").splitlines()) < 300


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = {
        target
        for path in DOCUMENTS
        for line in re.findall(r"(?:`|^)make ([a-z -]+?)(?:`|\s+#|$)", read(path), re.MULTILINE)
        for target in line.split()
    }
    assert named - targets == set()
