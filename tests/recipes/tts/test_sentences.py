"""Which sentences are spoken, and how they are written."""

from __future__ import annotations

import pytest


@pytest.fixture
def sentences(recipe_module):
    return recipe_module("sentences")


def test_paragraphs_are_cut_into_sentences(sentences):
    paragraph = 'He said: "Stop!" Then Mr. Smith came,\nwith Dr. Jones. Was he late? Yes.'
    expected = ['He said: "Stop!', "Then Mister Smith came, with Doctor Jones.", "Was he late?", "Yes."]
    assert sentences.split_sentences(paragraph) == expected


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("“Ship, ahoy!”", "Ship, ahoy!"),
        ("The ship—a whaler—sank.", "The ship, a whaler, sank."),
        ("It's the sailors' 'home' now.", "It's the sailors home now."),
        ("Salt & pepper.", "Salt and pepper."),
        ("Well -- yes.", "Well, yes."),
        ("O captain, I saw A ship.", "O captain, I saw A ship."),
    ],
)
def test_sentences_are_written_in_plain_letters(sentences, written, spoken):
    assert sentences.normalise(written) == spoken


UNSPEAKABLE = ("In 1962 it began.", "The U.S. won.", "See (below).", "NATO met.", "Point b is here.", "A café.")
UNFINISHED = ("It was 5 p.m. then.", "no start.", "No end")


@pytest.mark.parametrize("written", UNSPEAKABLE + UNFINISHED)
def test_what_cannot_be_read_aloud_is_left_out(sentences, written):
    assert sentences.normalise(written) is None


def test_sentences_come_once(sentences):
    assert list(sentences.speakable_sentences(["Come here. Come, here!", "Come here."])) == ["Come here."]


def test_any_beginning_has_the_mix(sentences):
    texts = {name: [f"{name} {'long ' * n}{i}." for i in range(400) for n in (6, 20, 30)] for name in ("a", "b")}
    chosen = sentences.choose(texts, {"a": 0.25, "b": 0.75}, seed=0)
    assert chosen == sentences.choose(texts, {"a": 0.25, "b": 0.75}, seed=0)
    beginning = chosen[:400]
    assert 0.18 < sum(source == "a" for source, _ in beginning) / 400 < 0.32
    for low, high, share in sentences.LENGTHS:
        assert abs(sum(low <= len(text) < high for _, text in beginning) / 400 - share) < 0.1


def test_a_source_that_runs_out_gives_way(sentences):
    texts = {"few": ["x" * 40], "many": [f"{i:03}{'y' * 60}" for i in range(50)]}
    chosen = sentences.choose(texts, {"few": 0.9, "many": 0.1}, seed=1)
    assert len(chosen) == 51
    assert len(set(chosen)) == 51
