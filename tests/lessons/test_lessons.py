"""Lessons: solutions pass, notebooks without answers run to their end, wrong answers get a hint."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from lessons.answers import ANSWERS

from experiments.lessons import Exercise, Unsolved, exercise

sys.path.insert(0, str(ROOT / "docs"))
import notebooks  # noqa: E402

LESSONS = list(notebooks.lessons())

# Each runs notebooks of its own: either process may take it.
each_lesson = pytest.mark.parametrize(
    "lesson",
    [pytest.param(path, marks=pytest.mark.xdist_group(path.stem)) for path in LESSONS],
    ids=lambda path: path.stem,
)

each_exercise = pytest.mark.parametrize(
    ("lesson", "name"), [(lesson, name) for lesson, names in ANSWERS.items() for name in names]
)


def exercises(lesson: str) -> dict[str, Exercise]:
    """The exercises of a lesson by name."""
    module = importlib.import_module(f"experiments.lessons.{lesson}")
    return {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}


def test_every_exercise_has_answers():
    assert {path.stem: set(exercises(path.stem)) for path in LESSONS} == {
        lesson: set(names) for lesson, names in ANSWERS.items()
    }


@each_exercise
def test_right_answers_are_accepted_and_told_what_they_show(lesson, name):
    right, _ = ANSWERS[lesson][name]
    for answer in right:
        outcome = exercises(lesson)[name].judge(answer)
        assert (outcome.status, bool(outcome.text)) == ("right", True), (answer, outcome)


@each_exercise
def test_three_wrong_answers_are_told_what_is_wrong(lesson, name):
    _, wrong = ANSWERS[lesson][name]
    outcomes = [exercises(lesson)[name].judge(answer) for answer in wrong]
    assert [outcome.status for outcome in outcomes] == ["wrong"] * len(wrong), outcomes
    hints = {outcome.text for outcome in outcomes if "Checking it ended" not in outcome.text}
    assert len(hints) >= 3, f"{hints} are fewer than three different hints"


def test_what_has_no_answer_yet_is_unsolved_and_not_wrong():
    @exercise("why")
    def unfinished(answer):
        raise Unsolved("Let it return something.")

    assert unfinished.judge(...).status == "unsolved"
    assert str(unfinished.judge(len)) == "… Not solved yet. Let it return something."


ODD = {
    "NaN": float("nan"),
    "NaN as an array": np.array(np.nan),
    "text": "abc",
    "none": None,
    "list": [],
    "infinite": float("inf"),
    "huge": -(10**400),
    "complex": 1j,
    "without arguments": lambda: 1,
    "gives NaN": lambda *args: float("nan"),
    "gives NaNs": lambda *args: np.full(np.shape(args[0]), np.nan),
    "gives nothing": lambda *args: None,
    "gives what it gets": lambda *args: args,
}


@each_exercise
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_nonsense_is_never_right(lesson, name, answer):
    assert exercises(lesson)[name].judge(answer).status != "right"


def test_another_theory_in_the_folder_is_named(tmp_path):
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory" / "__init__.py").touch()
    code = f"import sys; sys.path.append({str(ROOT)!r}); from experiments import lessons as one\n"
    code += "one.begin()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert f"ImportError: Python finds another 'theory' first, {tmp_path}" in done.stderr


@each_lesson
def test_a_lesson_has_all_its_parts(lesson):
    cells = notebooks.notebook(lesson, "instructor").cells
    count = {
        tag: sum(tag in notebooks.tags(cell) for cell in cells)
        for tag in ("setup", "parameters", "prediction", "exercise", "solution", "check")
    }
    assert count["setup"] == count["parameters"] == 1
    assert 3 <= count["exercise"] == count["solution"] == count["check"] <= 5
    assert count["prediction"] >= 2
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for part in (
        *("**When you are done**", "**You need**", "| minutes | part |", "## An open question"),
        *("## An experiment to change", "**Timing.**", "**Misconceptions.**"),
        *("**Exam questions.**", "**Expected numbers**"),
    ):
        assert part in text, f"{lesson.stem} has no {part}"


@each_lesson
def test_students_get_neither_solutions_nor_notes(lesson):
    student = json.dumps(notebooks.notebook(lesson, "student"))
    whole = notebooks.notebook(lesson, "instructor").cells
    hidden = [cell for cell in whole if {"solution", "instructor"} & notebooks.tags(cell)]
    assert hidden
    for cell in hidden:
        assert json.dumps(cell.source) not in student


@pytest.mark.parametrize("smoke", [True, pytest.param(False, marks=pytest.mark.slow)])
@each_lesson
def test_solutions_and_notes_run_and_pass_every_check(lesson, smoke):
    done = notebooks.execute(notebooks.notebook(lesson, "instructor"), smoke)
    said = notebooks.printed(done, "check")
    assert said and all(text.startswith("✓ Right.") for text in said), said


@each_lesson
def test_a_notebook_without_answers_runs_to_its_end_and_says_so(lesson):
    done = notebooks.execute(notebooks.notebook(lesson, "student"), smoke=True)
    said = notebooks.printed(done, "check")
    assert said and all(text.startswith("… Not solved yet.") for text in said), said
