"""A stored result is stale when, and only when, what computes it has changed.

That a closure holds all that really runs is tested with each entry, in `test_theorems` and
`test_experiments`.
"""

import shutil

import pytest
from tracing import ROOT

from experiments.attribution import training
from experiments.results import catalog, closure, store
from experiments.results.catalog import entries, select


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_a_closure_has_no_drawing_and_no_judging(entry):
    reached = closure.reach(entry).keys()
    forbidden = {("theory.theorem", "judge"), (entry.module, "draw"), (entry.module, "summary")}
    assert not forbidden & reached
    modules = {module for module, _ in reached}
    assert "theory.claims" not in modules
    assert not {module for module in modules if module.startswith("experiments.plots")}


class Copy:
    """A copy of both packages, in which a test may change lines."""

    def __init__(self, folder):
        self.folder = folder
        for package in closure.PACKAGES:
            shutil.copytree(ROOT / package, folder / package)

    def digests(self, *names) -> dict[str, str]:
        """Every entry's digest as the copy now is."""
        forget()
        moved = [
            entry._replace(path=self.folder / entry.path.relative_to(ROOT))
            for entry in select(None, names)
        ]
        return {entry.name: closure.code_digest(entry) for entry in moved}

    def changed(self, file: str, old: str, new: str, before: dict[str, str], *names) -> set[str]:
        """The entries, of those named, whose digest differs once the line is changed."""
        text = (self.folder / file).read_text()
        assert text.count(old) == 1, (file, old, text.count(old))
        (self.folder / file).write_text(text.replace(old, new))
        after = self.digests(*names)
        return {name for name in after if before[name] != after[name]}


def forget() -> None:
    """What was parsed is parsed again."""
    for cached in (closure.source_file, closure._parse, closure._bare):
        cached.cache_clear()


@pytest.fixture(scope="module")
def original() -> dict[str, str]:
    """Every entry's digest, which is that of its copy before a line is changed."""
    return {entry.name: closure.code_digest(entry) for entry in entries()}


@pytest.fixture
def copy(original, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(closure, "package_folder", lambda package: tmp_path / package)
        yield Copy(tmp_path)
    forget()


def test_a_copy_has_the_digests_of_the_original(copy, original):
    assert copy.digests(*original) == original


@pytest.mark.parametrize(
    ("file", "old", "new", "among", "not_among"),
    [
        (
            *("theory/multiplicity.py", "jnp.arange(len(p_values), 0, -1)", "jnp.ones(3)"),
            {"attribution.family-wise-error"},
            {"attribution.calibrated-agreement", "subspace.gradient-law", "healing.sparsity"},
        ),
        (
            *(
                "theory/healing/theorems/dense_fixed_point.py",
                ".at[0].set(0)\n\n\ndef hidden",
                ".at[1].set(0)\n\n\ndef hidden",
            ),
            {"healing.dense-fixed-point", "healing.exact-zeros"},
            {"healing.masked-ridge", "healing.sparsity"},
        ),
        (
            *("experiments/data/two_classes.py", "y_train == label", "y_train != label"),
            {"subspace.real-data", "unlearning.baselines"},
            {"healing.sparsity", "subspace.gradient-law"},
        ),
    ],
    ids=["holm", "a sibling theorem", "the draw of a class"],
)
def test_a_change_to_what_computes_is_noticed_where_it_is_used(
    copy, original, file, old, new, among, not_among
):
    assert copy.changed(file, old, new, original, *among, *not_among) == among


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "experiments/plots/style.py",
            '{"fmt": "o", "color": VERMILION',
            '{"fmt": "s", "color": BLUE',
        ),
        ("experiments/attribution/filter.py", 'xlabel="share of words kept"', 'xlabel="kept"'),
        ("experiments/attribution/filter.py", 'tables={"score"', 'tables={"found"'),
        ("theory/claims.py", "measured >= predicted - slack", "measured > predicted - slack"),
        ("theory/theorem.py", "vacuous = tightness is not None", "vacuous = tightness is None"),
        ("theory/statistics.py", "2 * radius)", "3 * radius)"),
        ("theory/geometry.py", "A linear subspace P of", "The subspace P of"),
    ],
    ids=["style", "legend", "summary", "claim", "judge", "law test", "docstring"],
)
def test_a_change_to_what_draws_judges_or_describes_is_not(copy, original, file, old, new):
    among = "subspace", "attribution.filter", "healing.sparsity", "unlearning.baselines"
    assert copy.changed(file, old, new, original, *among) == set()


def test_copies_depend_on_what_trains_them_and_not_on_what_keeps_them():
    code = closure.closure([(training.__name__, "_epoch")])
    assert ("theory.attribution.copies", "train_epoch") in code
    assert not {module for module, _ in code if module in {store.__name__, catalog.__name__}}


def test_how_a_result_shows_itself_does_not_count():
    reached = closure.closure([("theory.training.full_batch", "Trained")])
    (text,) = (reached[name] for name in reached if name[1] == "Trained")
    assert "margin" in text and "_repr_html_" not in text
    assert not any(module.startswith("theory.display") for module, _ in reached)
