"""Vocos in transformers' ``BarkModel``: single texts, batches of unequal length, and other uses of the codec."""

from __future__ import annotations

import pytest
import torch
import vocos_bark

TEXTS = ["hello there", "good day to you", "well"]
MASKED = 1e-6  # relative to full scale: a batch computed at once, with masks, rounds differently


@pytest.fixture
def batched(tiny, vocos):
    """Returns the class for batches with the same weights and the same Vocos."""
    bark = tiny.bark_model(model_class=vocos_bark.VocosBarkModel)
    vocos_bark.attach(bark, vocos)
    return bark


@pytest.fixture
def say(processor):
    """Returns a function that speaks texts from a seed; by default texts of unequal lengths."""

    def say(bark, texts=TEXTS, seed=0, **options):
        torch.manual_seed(seed)
        return bark.generate(**processor(texts), **options)

    return say


def test_text_to_waveform(bark_model, vocos, say, spy, expected) -> None:
    """One text becomes exactly the core's audio of Bark's codes, 320 samples per token, unlike EnCodec's."""
    codes = spy(bark_model.fine_acoustics, "generate")
    stock = say(bark_model, ["hello"])
    with vocos_bark.using(bark_model, vocos):
        audio = say(bark_model, ["hello"])
    assert torch.equal(codes[0], codes[1])
    assert torch.equal(audio[0], expected(vocos, codes[1][0]))
    assert audio.shape == stock.shape == (1, codes[1].shape[2] * 320)
    assert (audio - stock).abs().max() > 0.01
    assert torch.equal(say(bark_model, ["hello"]), stock)


def test_a_batch_text_by_text(bark_model, vocos, say, spy, expected) -> None:
    """In ``BarkModel``, with lengths, each row is the core's audio of its own codes, then zeros."""
    codes = spy(bark_model.fine_acoustics, "generate")
    with vocos_bark.using(bark_model, vocos):
        audio, lengths = say(bark_model, return_output_lengths=True)
    assert len(set(lengths)) == 3
    assert audio.shape == (3, max(lengths))
    for row, n_samples, row_codes in zip(audio, lengths, codes[0], strict=True):
        assert torch.equal(row[:n_samples], expected(vocos, row_codes[:, : n_samples // 320]))
        assert not row[n_samples:].any()


def test_a_batch_in_one_call(batched, vocos, say, spy, expected) -> None:
    """The class for batches returns the same from one call of the Vocos."""
    codes, calls = spy(batched.fine_acoustics, "generate"), spy(vocos, "decode")
    audio, lengths = say(batched, return_output_lengths=True)
    assert len(calls) == 1
    assert len(set(lengths)) == 3
    for row, n_samples, row_codes in zip(audio, lengths, codes[0], strict=True):
        assert torch.equal(row[:n_samples], expected(vocos, row_codes[:, : n_samples // 320]))
        assert not row[n_samples:].any()


def test_a_batch_with_masks(batched, say, monkeypatch) -> None:
    """Rows also match when all are computed at once, as on a GPU."""
    by_row = say(batched)
    monkeypatch.setattr("vocos_plugins.inference.decode.ROW_BY_ROW", ())
    assert (say(batched) - by_row).abs().max() < MASKED


def test_lengths_that_are_not_asked_for(batched, bark_model, vocos, say) -> None:
    """The class for batches keeps the padding's codes out of the speech; ``BarkModel`` decodes them too."""
    audio, lengths = say(batched, return_output_lengths=True)
    assert torch.equal(say(batched), audio)
    with vocos_bark.using(bark_model, vocos):
        padded = say(bark_model)
    shortest = lengths.index(min(lengths))
    assert padded[shortest, lengths[shortest] :].any()
    assert not torch.equal(padded[shortest, : lengths[shortest]], audio[shortest, : lengths[shortest]])


def test_the_class_without_a_vocos(tiny, bark_model, say) -> None:
    """Without a Vocos the class behaves as ``BarkModel``, with and without lengths, before and after one."""
    bark = tiny.bark_model(model_class=vocos_bark.VocosBarkModel)
    for _ in range(2):
        assert torch.equal(say(bark), say(bark_model))
        found, wanted = (say(each, return_output_lengths=True) for each in (bark, bark_model))
        assert torch.equal(found[0], wanted[0])
        assert found[1] == wanted[1]
        with vocos_bark.using(bark, tiny.vocos_model(bark.codec_model)):
            assert not torch.equal(say(bark), say(bark_model))


def test_nothing_to_say(batched, bark_model, vocos) -> None:
    """No frames become empty audio, alone and next to a longer row; EnCodec's decoder raises."""
    codes = torch.randint(1024, (2, 8, 5))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        bark_model.codec_decode(codes, torch.tensor([0, 5]))
    vocos_bark.attach(bark_model, vocos)
    for bark in (bark_model, batched):
        empty, some = bark.codec_decode(codes, torch.tensor([0, 5]))
        assert (empty.shape, some.shape) == ((0,), (1600,))
        assert bark.codec_decode(codes[:, :, :0]).shape == (2, 0)


def test_a_voice(bark_model, vocos, say, spy, expected, processor) -> None:
    """Speech with a voice preset goes through the Vocos too."""
    voice = {
        "semantic_prompt": torch.randint(20, (12,)),
        "coarse_prompt": torch.randint(1024, (2, 18)),
        "fine_prompt": torch.randint(1024, (8, 18)),
    }
    codes = spy(bark_model.fine_acoustics, "generate")
    with vocos_bark.using(bark_model, vocos):
        audio = say(bark_model, ["hello"], history_prompt=voice)
    assert torch.equal(audio[0], expected(vocos, codes[0][0]))


def test_a_pipeline(bark_model, vocos, processor, spy, expected, tmp_path) -> None:
    """A ``pipeline("text-to-audio")`` is accepted for its ``BarkModel``."""
    from transformers import pipeline

    bark_model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    speak = pipeline("text-to-audio", model=str(tmp_path), device="cpu")
    codes = spy(speak.model.fine_acoustics, "generate")
    with vocos_bark.using(speak, vocos):
        result = speak("hello there")
    assert result["sampling_rate"] == 24000
    audio = torch.as_tensor(result["audio"]).flatten()
    assert torch.equal(audio, expected(vocos, codes[0][0]))


def test_encoding_stays_encodec_s(bark_model, vocos, noise) -> None:
    """Encoding, which clones voices, returns the same codes, settings and quantizer as without a Vocos."""
    audio = 0.3 * noise(1, 1, 9600)
    codec = bark_model.codec_model
    before = codec.encode(audio, bandwidth=6.0).audio_codes
    with vocos_bark.using(bark_model, vocos):
        attached = bark_model.codec_model
        assert torch.equal(attached.encode(audio, bandwidth=6.0).audio_codes, before)
        assert attached.config is codec.config
        assert attached.quantizer.layers is codec.quantizer.layers
        assert torch.equal(attached(audio, bandwidth=6.0).audio_values, codec(audio, bandwidth=6.0).audio_values)
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            _ = attached.nonsense


def test_saved_while_attached(bark_model, vocos, tmp_path) -> None:
    """A checkpoint saved while attached is Bark's own, EnCodec included; the class for batches loads it too."""
    vocos_bark.attach(bark_model, vocos)
    bark_model.save_pretrained(tmp_path)
    vocos_bark.detach(bark_model)
    for model_class in (type(bark_model), vocos_bark.VocosBarkModel):
        loaded, report = model_class.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        for key, value in bark_model.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value)


def test_it_moves_and_is_read_as_a_part_of_bark(bark_model, vocos) -> None:
    """The Vocos and the EnCodec below it follow precision and device."""
    codec = bark_model.codec_model
    vocos_bark.attach(bark_model, vocos)
    bark_model.to(torch.float64)
    assert next(vocos.parameters()).dtype == next(codec.parameters()).dtype == torch.float64
    bark_model.to("meta")
    assert next(vocos.parameters()).device.type == next(codec.parameters()).device.type == "meta"


def test_the_output_can_be_edited_in_place(bark_model, vocos, say) -> None:
    """The output is an ordinary tensor without gradients, unlike the reference's."""
    with vocos_bark.using(bark_model, vocos):
        audio = say(bark_model, ["hello"])
    assert not audio.requires_grad
    assert not audio.is_inference()
    audio *= 0.5


def test_the_reference_gives_the_same(bark_model, vocos, say, spy, make_reference, randomize, relative_error) -> None:
    """The package ``vocos`` 0.1.0 returns the same for Bark's codes, with the same weights."""
    reference = make_reference(vocos.config)
    weights = vocos.state_dict()
    reference.load_state_dict({**reference.state_dict(), **weights})
    codes = spy(bark_model.fine_acoustics, "generate")
    with vocos_bark.using(bark_model, vocos):
        audio = say(bark_model, ["hello"])
    wanted = reference.decode(reference.codes_to_features(codes[0].transpose(0, 1)), bandwidth_id=torch.tensor([2]))
    assert relative_error(audio, wanted) < 1e-5
