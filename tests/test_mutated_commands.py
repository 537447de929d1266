"""A hundred mutated command lines and configuration files: read as what they say, or refused.

What is read without a word must be what an independent reading of the same words finds. Refusals
are `UsageError`, of one sentence, or exit code 2 with what is wrong on stderr. Seeds are fixed.
"""

import tomllib
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from experiments.command.cli import parse_run
from experiments.command.settings import configured, grid
from experiments.errors import UsageError
from experiments.results.catalog import select

NAME = "subspace.gradient-law"
ASKED = {"preset": "smoke", "width": "50", "d": "58", "ell": "47", "seed": "3", "scale": "0.5"}
ALPHABET = "0123456789-_=.,e +\t\n\u2212\uff15x\u00e9'\"[]{}#"


def read(args: list[str], capsys) -> dict[str, Any] | None:
    """Options and settings by name; None where they are refused as they should be."""
    try:
        options, settings = parse_run(args)
    except UsageError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 500
        return None
    except SystemExit as stop:
        assert stop.code == 2, args
        said = capsys.readouterr()
        assert said.err and not said.out and "Traceback" not in said.err
        return None
    return asdict(options.common) | asdict(settings) | {"preset": options.preset}


def defaults(preset: str) -> dict[str, Any]:
    (entry,) = select("experiment", (NAME,))
    return asdict(entry.load().presets[preset]) | {"seed": 0, "preset": preset}


def mutated(rng: np.random.Generator, words: list[str], most: int = 2) -> list[str]:
    """Up to so many words lost, doubled, exchanged, or with a character lost, put in or changed."""
    words = [*words]
    for _ in range(rng.integers(most + 1)):
        i, j = (int(rng.integers(len(words))) for _ in range(2))
        at, sign = int(rng.integers(len(words[i]) + 1)), ALPHABET[rng.integers(len(ALPHABET))]
        match rng.integers(6):
            case 0:
                del words[i]
            case 1:
                words.insert(j, words[i])
            case 2:
                words[i], words[j] = words[j], words[i]
            case 3:
                words[i] = words[i][:at] + words[i][at + 1 :]
            case 4:
                words[i] = words[i][:at] + sign + words[i][at:]
            case _:
                words[i] = words[i][:at] + sign + words[i][at + 1 :]
    return words


def said_by(words: list[str]) -> dict[str, str] | None:
    """What pairs of --name and value say, the last of each; None where there are none such."""
    said, names, waiting = {}, [], None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            waiting = name.replace("-", "_")
            said[waiting] = value
            waiting = None if value else waiting
        elif waiting is not None:
            said[waiting], waiting = word, None
        else:
            names.append(word)
    return said if len(names) == 1 else None


@pytest.mark.parametrize("seed", range(40))
def test_mutated_command_lines(seed, capsys):
    rng = np.random.default_rng(seed)
    pairs = [[f"--{name}", value] for name, value in ASKED.items()]
    rng.shuffle(pairs)
    pairs = [["=".join(pair)] if rng.random() < 0.3 else pair for pair in pairs]
    pairs.insert(int(rng.integers(len(pairs) + 1)), [NAME])
    words = mutated(rng, [word for pair in pairs for word in pair], most=1)
    found = read(words, capsys)
    if found is not None:
        said = said_by(words)
        assert said is not None, words
        expected = defaults(said.get("preset", "course"))
        assert said.keys() <= found.keys(), words
        for name in ("preset", "width", "d", "ell", "seed", "scale"):
            value = said.get(name, expected[name])
            assert found[name] == (value if name == "preset" else value and float(value)), words


@pytest.mark.parametrize("seed", range(40))
def test_mutated_configuration_files(seed, capsys, tmp_path):
    """As TOML says, what is true, a date, a table or an option is no number."""
    rng = np.random.default_rng(seed)
    values = ASKED | {"preset": '"smoke"'}
    lines = [f"{name} = {value}" for name, value in values.items()]
    content = "".join(mutated(rng, [*"\n".join(lines)])) if seed % 2 else lines
    if isinstance(content, list):
        other = (
            *("true", "false", "[]", "[1, 2]", "{}", "1979-05-27", "nan", "1e1", "0x1f"),
            *('"--help"', '"--seed=5"', '["60", "--seed", "9"]', '"smoke"'),
        )
        at = int(rng.integers(len(lines)))
        name = lines[at].partition(" ")[0]
        content[at] = f"{name} = {other[seed // 2 % len(other)]}"
        content = "\n".join(content)
    file = tmp_path / "asked.toml"
    file.write_text(content, encoding="utf-8")
    try:
        args = configured([NAME, "--config", str(file)])
    except UsageError as error:
        assert str(file) in str(error) and "\n" not in str(error)
        return
    found, said = read(args, capsys), tomllib.loads(content)
    if found is not None:
        # What is false is an option that is not given.
        given = {name: value for name, value in said.items() if value is not False}
        expected = defaults(given.get("preset", "course")) | given
        assert all(found[name.replace("-", "_")] == expected[name] for name in said), said


@pytest.mark.parametrize("seed", range(20))
def test_mutated_grids(seed):
    """Every value of every point stands in the words, as often as points have it."""
    words = mutated(np.random.default_rng(seed), ["--d", "5,6", "--sizes", "1 2,3 4", "--k=7,8"])
    try:
        points = list(grid(words))
    except UsageError as error:
        assert "\n" not in str(error)
        return
    names = [word[2:].partition("=")[0] for word in words if word.startswith("--")]
    text = " ".join(words)
    for point in points:
        assert [word[2:] for word in point if word.startswith("--")] == names
        assert all(word in text for word in point)
    assert (
        len({tuple(point) for point in points})
        <= len(points)
        == np.prod([len(part) for part in map(parts_of, names, [words] * len(names))])
    )


def parts_of(name: str, words: list[str]) -> list[str]:
    """The values of one field of a grid, between its name and the next."""
    said, inside = [], False
    for word in words:
        if word.startswith("--"):
            inside = word[2:].partition("=")[0] == name
            said += [word.partition("=")[2]] if inside and "=" in word else []
        elif inside:
            said.append(word)
    return [part for part in " ".join(said).split(",") if part.strip()]
