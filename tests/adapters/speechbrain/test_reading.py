"""Conventions from SpeechBrain's hyperparameters, loaded by SpeechBrain or read from files that must not be run."""

from __future__ import annotations

import dataclasses
import io
from types import SimpleNamespace

import pytest
from vocos_speechbrain.hyperparams import read_hyperparams
from vocos_speechbrain.mel import ARGUMENTS, CONVENTIONS, DEFAULT, from_speechbrain, read_convention

from vocos_plugins.mel import ConventionError
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES

pytestmark = pytest.mark.xdist_group("speechbrain")

NAMES = {"fastspeech2": "speechbrain-ljspeech"}
# Files that create a folder if they are run, in every way that HyperPyYAML and YAML have.
BOMBS = (
    "bomb: !apply:os.mkdir [{marker}]",
    "bomb: !new:tempfile.TemporaryDirectory\n  dir: {folder}",
    "bomb: !applyref:os.mkdir\n  - {marker}",
    "mel_spectrogram: !apply:os.mkdir [{marker}]",
    "mel_fmax: !apply:os.mkdir [{marker}]",
    "bomb: !!python/object/apply:os.mkdir [{marker}]",
    'bomb: !!python/object/new:os.system ["mkdir {marker}"]',
    "bomb: !module:antigravity",
)


@pytest.fixture
def load():
    """Loads a file's text as SpeechBrain does, which runs the code in it."""
    from hyperpyyaml import load_hyperpyyaml

    return lambda text: load_hyperpyyaml(io.StringIO(text))


@pytest.mark.parametrize("name", ["speechbrain-ljspeech", "speechbrain-libritts-16khz", "fastspeech2"])
def test_recipes_give_their_conventions(name, recipe_text, recipes, write, load):
    """File, folder, and loaded values as dictionary or namespace yield the same convention, with and without a mel."""
    expected = NAMES.get(name, name)
    path = write(recipe_text(name))
    loaded = load(recipe_text(name))
    sources = (recipes[name], loaded, SimpleNamespace(**loaded), {"mel_spectrogram": loaded["mel_spectrogram"]})
    found = [read_convention(path), read_convention(path.parent), *map(from_speechbrain, sources)]
    assert [convention.name for convention in found] == [expected] * 6
    assert all(convention in CONVENTIONS for convention in found)


def test_old_name_of_the_function(recipe_text, write):
    """The mel function was spelled ``mel_spectogram`` up to 1.1.0, and its file may have any name."""
    text = recipe_text().replace("mel_spectrogram", "mel_spectogram")
    assert read_convention(write(text, "train.yaml")) == DEFAULT


def test_the_function_counts(recipe_text, write, load):
    """The mel function's arguments win, also where the values have the names of another recipe (diffwave)."""
    names = {
        "hop_length": "spec_hop_length",
        "n_mel_channels": "spec_n_mels",
        "mel_fmax": "spec_f_max",
        "n_fft": "size",
    }
    text = recipe_text()
    for old, new in names.items():
        text = text.replace(f"\n{old}:", f"\n{new}:").replace(f"<{old}>", f"<{new}>")
    text += "\nmel_fmax: 4000"
    assert read_convention(write(text)) == from_speechbrain(load(text)) == DEFAULT


def test_expressions_are_those_of_hyperpyyaml(write, load):
    """References, arithmetic and numbers equal those of SpeechBrain's own loader."""
    text = """
a: 22050
b: !ref <a>
nested: {key: 7, deeper: {key: !ref <b>}}
plain: !ref <nested[key]>
deep: !ref <nested[deeper][key]>
copied: !copy <nested[key]>
times: !ref <a> * 2
halves: !ref <n> // 2 + 1
divided: !ref <a> / 2
bracketed: !ref (<n> - 2) % 7
several: !ref <n> * <a>
fraction: !ref <small> * 4
n: 1024
small: 0.25
text: slaney
same_text: !ref <text>
nothing: null
same_nothing: !ref <nothing>
exponent: 8e3
negative: -1e-5
flag: True
"""
    loaded = load(text)
    found = read_hyperparams(write(text))
    plain = {key: value for key, value in loaded.items() if key != "nested"}
    assert {key: found[key] for key in plain} == plain
    assert {key: type(found[key]) for key in plain} == {key: type(value) for key, value in plain.items()}


@pytest.mark.parametrize(
    "value",
    [
        "!PLACEHOLDER",
        "!apply:os.getpid",
        "!new:torch.nn.Linear [2, 2]",
        "!include:other.yaml",
        "!ref <nowhere>",
        "!ref <mel_fmax>",
        "!ref <mel_fmax> + 1",
        "!ref <seed.attribute>",
        "!ref <output_folder>",
        "!ref <seed> ** 9 ** 9",
        "!ref " + "<seed> * " * 10 + "1",
        "!ref <seed> // 0",
        "!ref <seed> if <seed> else 8000",
        "!ref __import__('os').getpid() + <seed>",
        "!ref " + "1+" * 100_000 + "<seed>",
    ],
    ids=lambda value: value[:40],
)
def test_undetermined_values_are_named(value, recipe_text, write):
    """A value that is known only once the file is run is an error, which names the field and a remedy."""
    with pytest.raises(ConventionError, match=r"mel_fmax is ['\"]!.*from_speechbrain\(hparams, mel_fmax=\.\.\.\)"):
        read_convention(write(recipe_text(mel_fmax=value)))


@pytest.mark.parametrize("field", ARGUMENTS)
def test_missing_fields_are_named(field, recipe_text, recipes, write):
    """Hyperparameters for inference lack some: the message names each, and a keyword fills it in."""
    incomplete = {key: value for key, value in recipes["speechbrain-ljspeech"].items() if key != field}
    with pytest.raises(ConventionError, match=rf"missing {field};.*from_speechbrain\(hparams, {field}=\.\.\.\)"):
        from_speechbrain(incomplete)
    with pytest.raises(ConventionError, match=rf"hyperparams\.yaml: missing {field};"):
        read_convention(write(recipe_text(function="", **{field: None})))
    assert from_speechbrain(incomplete, **{field: recipes["speechbrain-ljspeech"][field]}) == DEFAULT


def test_all_missing_fields_at_once(write):
    """For a file without a mel, such as a speech recognizer's, the error names all fields."""
    path = write("sample_rate: 16000\nencoder: !new:torch.nn.Linear [2, 2]\n")
    with pytest.raises(ConventionError, match=r"missing hop_length, win_length, n_fft, .*dynamic_range_compression;"):
        read_convention(path)


def test_overrides_win(recipes):
    """A keyword wins over the hyperparameters, and a misspelt one is refused."""
    values = recipes["speechbrain-ljspeech"]
    assert from_speechbrain(values, mel_fmax=None) == dataclasses.replace(DEFAULT, f_max=None)
    with pytest.raises(ConventionError, match=r"mel_fmaks is not a field of a mel; did you mean 'mel_fmax'\?"):
        from_speechbrain(values, mel_fmaks=8000)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mel_normalized", True, "mel_normalized is True: torchaudio then divides"),
        ("mel_normalized", "frame_length", "mel_normalized is 'frame_length'"),
        ("sample_rate", "22050", "sample_rate: expected a number, got '22050'"),
        ("sample_rate", 10**400, "sample_rate: expected a number, got 1000"),
        ("hop_length", 256.5, "hop_length: expected a whole number, got 256.5"),
        ("win_length", True, "win_length: expected a number, got True"),
        ("n_mel_channels", None, "n_mel_channels: expected a number, got None"),
        ("dynamic_range_compression", 1, "dynamic_range_compression: expected True or False, got 1"),
        ("power", 3, "power must be one of 1, 2, got 3"),
        ("norm", "area", "mel_norm must be one of None, slaney, got 'area'"),
        ("mel_scale", "bark", "mel_scale must be one of htk, slaney, got 'bark'"),
        ("mel_fmax", 12000, r"f_max <= 11025 Hz \(half of sample_rate\), got f_min=0.0, f_max=12000"),
    ],
)
def test_what_has_no_equivalent_is_refused(field, value, message, recipes):
    """Options and values that no mel convention can express are refused, each with its reason."""
    with pytest.raises(ConventionError, match=message):
        from_speechbrain({**recipes["speechbrain-ljspeech"], field: value})


def test_no_hyperparameters():
    """For another object, such as the inference object itself, the error says where the hyperparameters are."""
    with pytest.raises(ConventionError, match=r"got a object; an inference object has them as \.hparams"):
        from_speechbrain(object())


@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS if bomb.startswith(("bomb: !apply", "mel_fmax"))])
def test_the_bombs_work(bomb, load, tmp_path):
    """Loaded by SpeechBrain, these files do run code: the test below would notice it."""
    load(bomb.format(marker=tmp_path / "run"))
    assert (tmp_path / "run").exists()


@pytest.mark.parametrize("bomb", BOMBS)
def test_nothing_is_run(bomb, recipe_text, write, tmp_path):
    """Reading a file that runs code when loaded runs nothing, and still finds the mel if its values are plain."""
    key = bomb.split(":")[0]
    function = {} if key == "bomb" else {"function": ""}
    text = recipe_text(**function, **{key: None}) + "\n" + bomb.format(marker=tmp_path / "run", folder=tmp_path)
    path = write(text)
    if key == "mel_fmax":
        with pytest.raises(ConventionError, match=r"mel_fmax is '!apply:os\.mkdir'"):
            read_convention(path)
    else:
        assert read_convention(path) == DEFAULT
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("sample_rate: 22050\nmodel: {preprocessor: {_target_: nemo.x}}", "config.yaml"),
        ("image: !reference [.base, image]", "ci.yml"),
        ("a: [", "broken.yaml"),
        ("{}", "config.json"),
        (b"RIFF\x00\x00\x00\x00WAVE", "speech.wav"),
        ("generator: !new:torch.nn.Linear [2, 2]", "weights.bin"),
    ],
)
def test_not_speechbrains(content, name, write):
    """Files of other toolkits and of other kinds are not SpeechBrain's."""
    assert read_convention(write(content, name)) is None


def test_nothing_there(tmp_path):
    """A missing file, or a folder without one, is not SpeechBrain's."""
    assert read_convention(tmp_path) is None
    assert read_convention(tmp_path / "hyperparams.yaml") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "can't be read as hyperparameters: .*while parsing"),
        (b"\xff\xfe\xff", "can't be read as hyperparameters"),
        ("- 1\n- 2", "expected a mapping, got"),
        ("", "expected a mapping, got None"),
        ("a: !!timestamp x", "can't be read as hyperparameters"),
        ("a: " + "[" * 20_000, "can't be read as hyperparameters"),
        ("a0: 1\n" + "\n".join(f"a{n}: !ref <a{n - 1}>" for n in range(4_000, 0, -1)), "recursion"),
        ("\n".join(f"a{n}: &a{n} {{{', '.join(f'k{n}_{key}: 0' for key in range(6_000))}}}" for n in range(2))
         + "\nb: {<<: [*a0, *a1]}", "more than 10000 values"),
        ("#" * (MAX_CONFIG_BYTES + 1), f"has more than {MAX_CONFIG_BYTES} bytes"),
    ],
    ids=["syntax", "encoding", "list", "empty", "timestamp", "nesting", "chain", "merges", "size"],
)  # fmt: skip
def test_damaged_and_hostile_files(content, message, write):
    """A damaged file, or one made to fill the memory, is a clear error."""
    with pytest.raises(ConventionError, match=message):
        read_convention(write(content))
