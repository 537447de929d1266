"""The widget's Python side, and the command that writes the page."""

import pytest

from experiments.errors import UsageError
from experiments.page import page
from experiments.page.widget import DEFAULTS, Playground
from tests.page.node import evaluate


def test_defaults_are_those_of_the_page():
    assert evaluate("return settings.complete({});") == DEFAULTS


def test_settings_are_attributes():
    pytest.importorskip("anywidget", reason="anywidget comes with the extra notebook")
    shown = Playground(d=40, seed=3)
    there = {name: getattr(shown, name) for name in DEFAULTS}
    assert there == DEFAULTS | {"d": 40, "seed": 3}
    assert set(shown.keys) >= {*DEFAULTS, "markup"}
    with pytest.raises(Exception, match="expected an int"):
        shown.seed = "three"


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(UsageError, match="depth is no setting; there are d, ell, width"):
        Playground(depth=3)


def test_the_command_writes_the_page(cli, tmp_path):
    done = cli("page", "--out", "some/page.html", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == ""
    assert done.stderr.strip() == "some/page.html"
    written = tmp_path / "some/page.html"
    assert written.read_text(encoding="utf-8") == page()
    assert [path.name for path in written.parent.iterdir()] == ["page.html"]


def test_the_command_replaces_no_folder(cli, tmp_path):
    (tmp_path / "relu-theory.html").mkdir()
    done = cli("page", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "relu-theory.html is no ordinary file" in done.stderr
