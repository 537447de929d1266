"""A stored result is stale when, and only when, what computes it has changed."""

import shutil

import jax
import pytest
from tracing import ROOT, entered

from experiments.attribution import training
from experiments.results import catalog, closure, store
from experiments.results.catalog import entries, select
from theory.theorem import program, trial_keys

THEOREMS = [entry for entry in entries() if entry.kind == "theorem"]


@pytest.mark.parametrize("entry", THEOREMS, ids=lambda entry: entry.name)
def test_what_a_theorem_enters_is_in_its_closure(entry):
    theorem = entry.load()
    settings = theorem.presets["smoke"]
    jax.clear_caches()  # what is traced already would not be entered again
    with entered() as found:
        for arm in ("theorem", "control"):
            keys = trial_keys(theorem, settings, 0, arm)
            jax.eval_shape(program(theorem, settings, arm), keys)
    assert len(found) > 10
    assert found <= closure.reach(entry).keys()


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_a_closure_has_no_drawing_and_no_judging(entry):
    reached = closure.reach(entry).keys()
    forbidden = {("theory.theorem", "judge"), (entry.module, "draw"), (entry.module, "summary")}
    assert not forbidden & reached
    assert "theory.claims" not in {module for module, _ in reached}


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

    def changed(self, file: str, old: str, new: str) -> set[str]:
        """The entries whose digest differs once the line is changed."""
        before, text = self.digests(), (self.folder / file).read_text()
        assert text.count(old) == 1, (file, old, text.count(old))
        (self.folder / file).write_text(text.replace(old, new))
        after = self.digests()
        return {name for name in before if before[name] != after[name]}


def forget() -> None:
    """What was parsed is parsed again."""
    for cached in (closure.source_file, closure._parse, closure._bare):
        cached.cache_clear()


@pytest.fixture
def copy(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(closure, "package_folder", lambda package: tmp_path / package)
        yield Copy(tmp_path)
    forget()


def test_a_copy_has_the_digests_of_the_original(copy):
    original = {e.name: closure.code_digest(e) for e in select(None, ("subspace",))}
    assert copy.digests("subspace") == original


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
            *("experiments/data/images.py", "images.y_train == label", "images.y_train != label"),
            {"subspace.real-data", "unlearning.baselines"},
            {"healing.sparsity", "subspace.gradient-law"},
        ),
    ],
    ids=["holm", "a sibling theorem", "the draw of a class"],
)
def test_a_change_to_what_computes_is_noticed_where_it_is_used(
    copy, file, old, new, among, not_among
):
    found = copy.changed(file, old, new)
    assert among <= found and not not_among & found


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (
            "experiments/plots/style.py",
            '{"fmt": "o", "color": VERMILION',
            '{"fmt": "s", "color": BLUE',
        ),
        ("experiments/attribution/filter.py", 'xlabel="share of words kept"', 'xlabel="kept"'),
        ("experiments/attribution/filter.py", '"deciding_words_kept":', '"kept":'),
        ("theory/claims.py", "measured >= predicted - slack", "measured > predicted - slack"),
        ("theory/theorem.py", "vacuous = tightness is not None", "vacuous = tightness is None"),
        ("theory/statistics.py", "2 * radius)", "3 * radius)"),
        ("theory/geometry.py", "A linear subspace P of", "The subspace P of"),
    ],
    ids=["style", "legend", "summary", "claim", "judge", "law test", "docstring"],
)
def test_a_change_to_what_draws_judges_or_describes_is_not(copy, file, old, new):
    assert copy.changed(file, old, new) == set()


def test_copies_depend_on_what_trains_them_and_not_on_what_keeps_them():
    code = closure.closure([(training.__name__, "_epoch")])
    assert ("theory.attribution.copies", "train_epoch") in code
    assert not {module for module, _ in code if module in {store.__name__, catalog.__name__}}
