"""Synthetic scripts: the tell-tale tokens decide the label, and nothing else does."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from experiments.data.scripts import BLANKS, DECOYS, STATEMENTS, TELL_TALE, make_scripts
from experiments.data.words import tokenise_script
from tests.files import refusal

SCRIPTS, LABELS = make_scripts(count=4000, seed=1)
TOKENS = [tokenise_script(script) for script in SCRIPTS]


def occurrences(tokens: tuple[str, ...]) -> np.ndarray:
    """How many of these tokens each script has."""
    return np.array([sum(token in tokens for token in script) for script in TOKENS])


def test_one_seed_draws_the_same_scripts_and_another_seed_others():
    first, again, other = (make_scripts(50, seed) for seed in (3, 3, 4))
    assert first[0] == again[0] and (first[1] == again[1]).all()
    assert not set(first[0]) & set(other[0])


@pytest.mark.parametrize(("count", "positive"), [(1, 0), (2, 1), (5, 2), (100, 50)])
def test_labels_are_balanced(count, positive):
    scripts, labels = make_scripts(count, seed=0)
    assert len(scripts) == len(labels) == count and labels.sum() == positive
    assert labels.dtype == np.int64 and set(labels) <= {0, 1}


def test_numbers_that_mean_nothing_are_refused():
    assert "count from 1 up" in refusal(make_scripts, 0, 0)
    assert "seed from 0 up" in refusal(make_scripts, 1, -1)


def test_tell_tale_tokens_are_in_positive_scripts_only():
    found = occurrences(TELL_TALE)
    assert set(found[LABELS == 1]) == {1, 2, 3} and set(found[LABELS == 0]) == {0}
    for token in TELL_TALE:  # nor as a part of another word
        assert all(token not in SCRIPTS[i] for i in np.flatnonzero(LABELS == 0))


def test_decoys_are_as_many_in_either_label():
    found = occurrences(DECOYS)
    assert set(found) == {1, 2, 3}
    table = [np.bincount(found[LABELS == label], minlength=4)[1:] for label in (0, 1)]
    assert np.asarray(stats.chi2_contingency(table)[1]) > 1e-3  # its p-value


def test_rarity_does_not_tell():
    """Every invented cmdlet is expected in a twelfth of the scripts, tell-tale or decoy."""
    counts = Counter(token for tokens in TOKENS for token in tokens)
    expected = len(SCRIPTS) / 12
    for token in (*TELL_TALE, *DECOYS):
        # 36 counts, each with a standard deviation below √expected.
        assert abs(counts[token] - expected) < 5 * expected**0.5


def test_the_rest_of_a_script_does_not_tell():
    kept = [
        [line for line in script.splitlines() if line not in TELL_TALE + DECOYS]
        for script in SCRIPTS
    ]
    lengths = np.array([len(tokenise_script(" ".join(lines))) for lines in kept])
    assert (
        np.asarray(stats.ks_2samp(lengths[LABELS == 0], lengths[LABELS == 1])[1]) > 1e-3
    )  # its p-value
    # Words of one statement come together and would be counted as if they did not.
    first = [
        Counter(line.split()[0] for i in np.flatnonzero(LABELS == label) for line in kept[i])
        for label in (0, 1)
    ]
    table = [[count[word] for word in sorted(first[0] | first[1])] for count in first]
    assert np.asarray(stats.chi2_contingency(table)[1]) > 1e-3  # its p-value


def test_places_do_not_tell():
    places = {}
    for kind in (TELL_TALE, DECOYS):
        places[kind] = [
            place / (len(script.splitlines()) - 1)
            for script, label in zip(SCRIPTS, LABELS, strict=True)
            for place, line in enumerate(script.splitlines())
            if label == 1 and line in kind
        ]
        assert len(places[kind]) == occurrences(kind)[LABELS == 1].sum()  # each on its own line
    assert np.asarray(stats.ks_2samp(*places.values())[1]) > 1e-3  # its p-value


def token_count(text: str) -> int:
    return len(tokenise_script(text))


def test_lengths():
    lengths = np.array(list(map(len, TOKENS)))
    assert lengths.min() >= 15 and lengths.max() <= 60 and lengths.std() > 5
    # From the longest statement the generator derives the sixty.
    longest = {blank: max(choices, key=token_count) for blank, choices in BLANKS.items()}
    assert max(token_count(line.format(number=1, **longest)) for line in STATEMENTS) == 10


def test_invented_cmdlets_are_single_tokens_with_the_same_verbs():
    for token in (*TELL_TALE, *DECOYS):
        assert tokenise_script(token) == [token]
    verbs = [token.split("-")[0] for token in TELL_TALE]
    assert len(set(verbs)) == len(set(TELL_TALE)) == len(TELL_TALE)
    assert len(set(DECOYS)) == len(DECOYS) and not set(DECOYS) & set(TELL_TALE)
    assert sorted(token.split("-")[0] for token in DECOYS) == sorted(verbs * 2)


def test_no_statement_downloads_executes_or_deletes():
    text = " ".join(STATEMENTS)
    for word in ("http", "download", "web", "iex", "invoke", "remove", "encoded", "bypass", "exe"):
        assert word not in text
