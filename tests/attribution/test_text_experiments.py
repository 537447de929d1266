"""The experiments on texts at their smoke presets, texts of one's own, and trainings cut short."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments.attribution import dead_directions, filter, highlight, law, planted, sanity
from experiments.attribution.chosen import choose
from experiments.attribution.corpus import TextSettings, embed, load_corpus
from experiments.attribution.training import prepare, train, untrained
from experiments.errors import UsageError
from theory.attribution import agreement_scores, random_embedding
from theory.attribution.copies import Kind, draw_classifier
from theory.attribution.directions import direction_scores
from theory.attribution.ranking import position_share
from theory.attribution.scores import word_gradients
from theory.attribution.texts import padding_agreement, untrained_scores

KEY = jax.random.key(3)
MODULES = {
    module.experiment.name.partition(".")[2]: module
    for module in (dead_directions, filter, planted)
}
KIND: Kind = "sum"
TINY = TextSettings(
    tokens=8, d=8, vocabulary=30, samples=256, width=16, copies=4, epochs=4, batch=32
)


def silent(fraction: float, what: str) -> None:
    assert 0 <= fraction <= 1 and what


@cache
def outcome(name) -> tuple:
    """Settings and data of a smoke preset, run once for all tests that ask for it."""
    experiment = MODULES[name].experiment
    settings = experiment.presets["smoke"]
    return settings, experiment.run(settings, KEY, silent)


@pytest.mark.slow
def test_sentences_come_from_the_numbers():
    settings, data = outcome("planted")
    made = data.assign(score=xr.full_like(data.score, 0.5))
    place = {"kind": "sum", "position": "random position", "measure": "AUROC"}
    ours, theirs = (place | {"method": name} for name in (planted.AGREEMENT, planted.BASELINE))
    # The difference of the second place is .02 in the mean, and its interval holds 0.
    made.score.loc[ours] = [0.9, 0.9001]
    made.score.loc[theirs] = [0.6, 0.6001]
    made.score.loc[ours | {"position": "fixed position"}] = [0.5, 0.54]
    good, against = planted.summary(made, settings).sentences
    assert "above chance for sum, random position, 0.90 [0." in good
    assert "does for sum, random position, by 0.30 [0.30, 0.30], and lower for none" in against
    assert "fixed" not in good + against
    made.score.loc[theirs] += 0.35
    _, against = planted.summary(made, settings).sentences
    assert "does for none here, and lower for sum, random position, by 0.05" in against


def test_agreement_tells_live_directions_from_dead_ones():
    """Copies that share three directions and draw the other three by themselves."""
    key_shared, key_own = jax.random.split(KEY)
    shared = jnp.broadcast_to(jax.random.normal(key_shared, (1, 40, 3)), (6, 40, 3))
    gradients = jnp.concatenate([shared, jax.random.normal(key_own, (6, 40, 3))], axis=2)
    scores = direction_scores(gradients, jnp.ones((40, 6)))
    for method in (0, 1):
        assert float(scores[method, :3].min()) == pytest.approx(1)
        assert float(scores[method, 3:].max()) < 0.3


@pytest.mark.slow
def test_gradient_times_input_sees_dead_directions_by_the_words_coordinates_alone():
    _, data = outcome("dead-directions")
    product = data.area.sel({"method": "|gradient×input|"})
    assert (product.sel(words="words of training") == 1).all()  # no coordinates, no product
    assert (product.sel(words="words with a part off P") < 1).all()


def test_the_filter_at_one_is_no_filter():
    _, data = outcome("filter")
    kept = data.score.sel(measure="deciding words that pass")
    # A neuron's largest word may be another one: then a word has no gradient, hence no score.
    assert (kept.sel(kind="sum", quantile=1) == 1).all()
    assert (kept.diff("quantile") >= 0).all()


def test_padding_is_seen_before_it_is_masked():
    """Copies whose gradients at padding are the same, and copies that have none there."""
    table = jnp.pad(jnp.ones((3, 4)), ((1, 0), (0, 0)))
    ids = jnp.array([[1, 2, 0], [3, 0, 0]], jnp.int32)
    flat = jax.vmap(lambda key: draw_classifier("flat", key, words=3, d=4, width=5))
    same = flat(jax.random.split(KEY, 1)[jnp.zeros(3, int)])
    assert float(padding_agreement(same, table, ids)) == pytest.approx(1)
    summed = jax.vmap(lambda key: draw_classifier("sum", key, words=3, d=4, width=5))
    assert float(padding_agreement(summed(jax.random.split(KEY, 3)), table, ids)) == 0


def test_position_share():
    words = np.ones((50, 4), bool)
    assert position_share(np.tile(np.arange(4.0), (50, 1)), words) == 1
    noise = np.random.default_rng(0).normal(size=(50, 4))
    assert position_share(noise, words) < 0.1
    words[:, 3] = False
    noise[:, 3] = 1e9  # padding, which is not looked at
    assert position_share(noise, words) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sum", "lstm"])
def test_untrained_copies_have_the_sizes_of_the_trained_ones(kind):
    x = random_embedding(jax.random.key(1), 5, 8)[1:]
    settings = replace(TINY, width=6)
    (found,) = untrained_scores(kind, x, 3, 1, KEY, settings.hidden(kind))
    fresh = untrained(
        kind,
        jax.random.split(jax.random.split(KEY, 1)[0], 3),
        words=len(x),
        d=8,
        width=settings.hidden(kind),
    )
    gradients = word_gradients(jax.tree.map(lambda leaf: jnp.asarray(leaf, float), fresh), x)
    np.testing.assert_allclose(found, agreement_scores(gradients).score, atol=1e-12)


def test_diverged_copies_are_one_sentence():
    with pytest.raises(UsageError, match=r"sum diverged in epoch 1: .*, which is 1e\+30"):
        prepare(replace(TINY, learning_rate=1e30), KIND, KEY)


@pytest.fixture(scope="module")
def prepared():
    return prepare(TINY, KIND, KEY)


def chosen(prepared, **changes):
    settings = replace(highlight.experiment.presets["smoke"], **changes)
    return choose(settings, prepared)


def test_a_text_of_ones_own(prepared):
    found = chosen(prepared, text="  w9 unknown tell+ \x00 w10\n")
    assert found.words == ("w9", "tell+", "w10")
    assert found.left_out == ("unknown", "\x00") and found.before == (1, 2)
    assert found.label is None
    long = chosen(prepared, text="w9 " * 100)
    assert long.words == ("w9",) * 8 and long.left_out == ("w9",) * 92
    assert chosen(prepared).left_out == ()


def folder_of(at, texts):
    """A folder of texts of one's own, from (negative, positive) ones."""
    for part, of in zip(("negative", "positive"), texts, strict=True):
        (at / part).mkdir(parents=True)
        for i, text in enumerate(of):
            (at / part / f"{i:02}.txt").write_text(text, encoding="utf-8")
    return replace(highlight.experiment.presets["smoke"], dataset=str(at), d=2, ppmi=None)


def test_texts_of_one_word_are_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = folder_of(tmp_path / "mine", (["bad"] * 10, ["good"] * 10))
    data = highlight.run(settings, KEY, lambda *_: None)
    assert data.text.values.tolist() in (["bad"], ["good"])
    assert "before" not in data and highlight.warning(data, settings) is None


def test_texts_of_one_word_have_no_ranks_to_compare(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = folder_of(tmp_path / "mine", (["bad"] * 10, ["good"] * 10))
    settings = replace(sanity.experiment.presets["smoke"], dataset=own.dataset, d=2, kinds=("sum",))
    with pytest.raises(UsageError, match="No test text of .* has two known words"):
        sanity.run(settings, KEY, lambda *_: None)


def test_words_that_were_left_out_are_shown_where_they_stood(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    texts = [
        [f"{word} film this {word} was unseen{i}" for i in range(10)] for word in ("bad", "good")
    ]
    settings = replace(folder_of(tmp_path / "mine", texts), vocabulary=5, tokens=4)
    data = highlight.run(settings, KEY, lambda *_: None)
    assert data.sizes["word"] == 4 and data.left_out == 2
    assert data.before.values.tolist() == [4, 4]
    assert data.left_words.values[0] == "was" and data.left_words.values[1] == "unseen"
    html = highlight.page(data, settings)
    assert html.count('title="left out: no score"><bdi>was</bdi>') == data.sizes["method"]
    assert "<dd><bdi>2</bdi></dd>" in html and "hardly about" not in html
    foreign = replace(settings, copies=8, text="un film de bad guys pour toute la famille")
    data = highlight.run(foreign, KEY, lambda *_: None)
    assert data.text.values.tolist() == ["film", "bad"]
    assert data.before.values.tolist() == [0, 1, 2, 2, 2, 2, 2]
    (sentence,) = highlight.summary(data, foreign).sentences
    assert sentence.startswith("Of 9 words of this text the classifiers know 2:")
    assert sentence in highlight.page(data, foreign)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "<script>alert(1)</script>", "🎬 שלום", "\x00", "x" * 10_000_000, "\ud800"],
    ids=["empty", "blank", "script", "emoji and rtl", "NUL", "10 MB", "surrogate"],
)
def test_texts_without_a_known_word_are_one_sentence(prepared, text):
    with pytest.raises(UsageError, match="none of the 30 words") as caught:
        chosen(prepared, text=text)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_too_few_agreeing_copies_are_one_sentence(prepared):
    signs = jnp.array([1.0, 1.0, -1.0, -1.0])
    copies = prepared.copies._replace(
        network=prepared.copies.network._replace(
            u=jnp.abs(prepared.copies.network.u) * signs[:, None]
        )
    )
    with pytest.raises(UsageError, match="Only 2 of 4 copies agree"):
        chosen(prepared._replace(copies=copies), text="w9 w10")
    with pytest.raises(UsageError, match="which is 10000"):
        chosen(prepared, which=10_000)


@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (planted, {"sweep": (3, 9)}, "sweep is .* more than copies = 8"),
        (dead_directions, {"dim": 64}, "dim is 64 and must be below d = 64"),
        (law, {"samples": 511}, "samples is 511 .* ell >= 2"),
    ],
)
def test_settings_that_do_not_go_together(module, changes, message):
    with pytest.raises(ValueError, match=message):
        module.Settings(**changes)


def test_sizes_suit_the_set_unless_given():
    assert TextSettings(dataset="imdb").sizes.tokens == 250
    assert TextSettings(dataset="imdb", tokens=7).sizes.tokens == 7
    assert TextSettings(dataset="some/folder").sizes == TextSettings(dataset="imdb").sizes


def test_a_training_cut_short_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    corpus = load_corpus(TINY, KEY)
    table = embed(TINY, corpus, KEY)
    whole = train(TINY, KIND, corpus, table, KEY, silent, keep=False)
    seen = []

    def interrupt(part: float, what: str) -> None:
        seen.append(part)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, KIND, corpus, table, KEY, interrupt, keep=True)
    seen[:] = [0.0] * 3  # no further interruption
    resumed = train(TINY, KIND, corpus, table, KEY, lambda part, what: seen.append(part), keep=True)
    assert len(seen) == 3 + TINY.sizes.epochs - 2
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        assert np.array_equal(a, b)
    seen.clear()
    train(TINY, KIND, corpus, table, KEY, lambda part, what: seen.append(part), keep=True)
    assert not seen  # all is there


def test_shuffled_labels_share_texts_embedding_and_start(prepared):
    shuffled = prepare(TINY, KIND, KEY, shuffled=True)
    assert np.array_equal(shuffled.corpus.x_train, prepared.corpus.x_train)
    assert not np.array_equal(shuffled.corpus.y_train, prepared.corpus.y_train)
    assert sorted(shuffled.corpus.y_train) == sorted(prepared.corpus.y_train)
    assert np.array_equal(shuffled.table, prepared.table)


@pytest.mark.slow
def test_an_unknown_text_on_the_command_line_is_refused(cli, tmp_path):
    result = cli(
        *("run", "attribution.highlight", "--preset", "smoke", "--out", tmp_path),
        *("--text", "<script>alert(1)</script>"),
    )
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("relu-theory: The text has none of")
    assert not list(tmp_path.glob("*/figure.png"))
