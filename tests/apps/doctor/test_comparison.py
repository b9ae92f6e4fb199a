"""Comparison of two endpoints, field by field."""

from __future__ import annotations

import dataclasses

import pytest

from vocos_plugins import MelConvention, align
from vocos_plugins.apps.doctor import compare
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel import LevelNormalization, MeanStdNormalization

BASE = MelConvention(
    name="base",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
)
FIELDS = [field.name for field in dataclasses.fields(MelConvention) if field.name != "name"]
LEVELS = LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=True)
# Every field of a convention, with another value and the expected state of the difference.
OTHERS = {
    "sample_rate": (24000, "lossy"),
    "n_fft": (2048, "lossy"),
    "win_length": (800, "lossy"),
    "hop_length": (200, "lossy"),
    "n_mels": (100, "lossy"),
    "f_min": (50.0, "lossy"),
    "f_max": (7600.0, "lossy"),
    "mel_scale": ("htk", "lossy"),
    "mel_norm": (None, "convertible"),
    "power": (2.0, "lossy"),
    "window": ("hamming", "lossy"),
    "periodic": (False, "negligible"),
    "framing": ("same", "convertible"),
    "pad_mode": ("constant", "negligible"),
    "magnitude_eps": (1e-9, "negligible"),
    "log": ("log10", "convertible"),
    "log_gain": (20.0, "convertible"),
    "guard": ("add", "convertible"),
    "guard_value": (1e-8, "convertible"),
    "pre_emphasis": (0.97, "lossy"),
    "normalization": (LEVELS, "convertible"),
    "pad_value": (0.0, "negligible"),
}


@pytest.fixture(scope="module")
def compared(make_endpoint):
    """Compares two conventions or codes."""
    return lambda tts, vocoder: compare(make_endpoint(tts), make_endpoint(vocoder))


def states(comparison):
    return {row.field: row.state for row in comparison.fields}


def test_equal_endpoints_list_every_field(compared):
    """The rows are all fields of a convention in its order, without the name."""
    comparison = compared(BASE, dataclasses.replace(BASE, name="other"))
    assert [row.field for row in comparison.fields] == FIELDS
    assert set(states(comparison).values()) == {"equal"}
    assert (comparison.kind, comparison.exit_code) == ("identity", 0)


def test_the_table_has_every_field():
    """Without this, the next test would miss a new field."""
    assert list(OTHERS) == FIELDS


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_that_differs_has_its_state(compared, field):
    """A single difference has its state and its effect, and decides the exit code."""
    value, state = OTHERS[field]
    comparison = compared(dataclasses.replace(BASE, **{field: value}), BASE)
    assert states(comparison) == {**dict.fromkeys(FIELDS, "equal"), field: state}
    row = next(row for row in comparison.fields if row.field == field)
    assert (row.tts, row.vocoder) == (value, getattr(BASE, field))
    assert row.effect
    assert comparison.exit_code == (1 if state == "lossy" else 0)
    assert (comparison.error is not None) == (state == "lossy")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"periodic": False}, "identity"), ({"log": "log10"}, "pointwise"), ({"framing": "same"}, "framing")],
)
def test_the_kind_is_the_alignment_s(compared, changes, kind):
    """The kind and the alignment are those of `align`."""
    source = dataclasses.replace(BASE, **changes)
    comparison = compared(source, BASE)
    assert comparison.kind == align(source, BASE).kind == kind
    assert comparison.alignment == align(source, BASE)


def test_values_are_spelled_out(compared):
    """A missing upper edge is shown as the Nyquist frequency; a linear mel has no guard."""
    linear = dataclasses.replace(BASE, log=None, f_max=None)
    rows = {row.field: row for row in compared(linear, BASE).fields}
    assert rows["f_max"].tts == 11025
    assert rows["guard_value"].tts is None
    nyquist = dataclasses.replace(BASE, f_max=11025.0)
    assert states(compared(nyquist, dataclasses.replace(BASE, f_max=None)))["f_max"] == "equal"


def test_statistics_of_each_band_are_compared(compared):
    """Statistics that differ in one band only are a difference."""
    mean = (0.0,) * 80
    one = dataclasses.replace(BASE, normalization=MeanStdNormalization(mean=mean, std=1.0))
    other = dataclasses.replace(BASE, normalization=MeanStdNormalization(mean=(*mean[:-1], 0.5), std=1.0))
    assert states(compared(one, other))["normalization"] == "convertible"


@pytest.mark.parametrize(
    ("source", "target", "fatal"),
    [
        ({"sample_rate": 4000, "f_max": None}, {}, {"f_max", "sample_rate"}),
        ({"f_max": 2000.0}, {}, {"f_max"}),
        ({"f_min": 3000.0}, {}, {"f_min"}),
        ({"f_min": 1000.0, "f_max": 3000.0}, {}, {"f_min", "f_max"}),
        ({"f_min": 6000.0}, {"f_max": 4000.0}, {"f_min"}),
    ],
    ids=["rate", "top", "bottom", "both", "apart"],
)
def test_too_many_unknown_bands_are_fatal(compared, source, target, fatal):
    """The fields that cause it are fatal and name the bands; the others keep their own state."""
    comparison = compared(dataclasses.replace(BASE, **source), dataclasses.replace(BASE, **target))
    assert {name for name, state in states(comparison).items() if state == "fatal"} == fatal
    assert all("has no information for" in row.effect for row in comparison.fields if row.state == "fatal")
    assert (comparison.kind, comparison.exit_code, comparison.alignment) == ("refused", 2, None)
    assert len(comparison.unknown) > BASE.n_mels / 3


@pytest.mark.parametrize("swapped", [False, True])
def test_a_mel_and_codes(compared, swapped):
    """The comparison has a single row, since they have no field in common."""
    sides = (BASE, EncodecCodes())
    comparison = compared(*(sides[::-1] if swapped else sides))
    assert [(row.field, row.state) for row in comparison.fields] == [("features", "fatal")]
    assert {comparison.fields[0].tts, comparison.fields[0].vocoder} == {"a mel", "EnCodec codes"}
    assert comparison.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "identity"),
        ({"bandwidths": (6.0,)}, "identity"),
        ({"codebook_size": 512, "bandwidths": (6.75,)}, "refused"),
        ({"hop_length": 640, "bandwidths": (3.0,)}, "refused"),
    ],
    ids=["same", "bandwidths", "codebooks", "frames"],
)
def test_codes_of_two_endpoints(compared, changes, kind):
    """Codes must have the same meaning; bandwidths may differ, since a user chooses among them."""
    assert compared(dataclasses.replace(EncodecCodes(), **changes), EncodecCodes()).kind == kind


def test_nothing_is_warned_about(compared, recwarn):
    """A lossy alignment raises no warning here: the result has its error."""
    comparison = compared(dataclasses.replace(BASE, name="unheard of", n_mels=64, f_min=20.0), BASE)
    assert comparison.kind == "lossy"
    assert not recwarn.list
