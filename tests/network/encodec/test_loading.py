"""Loading EnCodec from two packages and three forms of weights, and what can be wrong with them."""

from __future__ import annotations

import pytest
import torch

from vocos_plugins.config import EncodecCodes
from vocos_plugins.network.encodec_encoder import EncodecEncoder, check_encodec, read_codebooks
from vocos_plugins.network.encodec_loading import EncodecError, load_encodec, rename_weights

BANDWIDTHS = (1.5, 3.0, 6.0, 12.0)
IN_USE = 200  # different codes below, of 1024: an error can't hide behind a few


@pytest.fixture
def encode(speech):
    """Encodes speech at each bandwidth by `EncodecEncoder`."""

    def encode(source):
        encoder = EncodecEncoder(EncodecCodes(), source)
        return [encoder.encode(speech, bandwidth) for bandwidth in BANDWIDTHS]

    return encode


def test_both_packages_are_one_network(package_codec, transformers_codec, speech) -> None:
    """The names map one to one; hidden values, codes and audio of both packages are bit-identical."""
    renamed = rename_weights(package_codec.state_dict())
    assert renamed.keys() == transformers_codec.state_dict().keys()
    assert len(renamed) == len(package_codec.state_dict()) == 252
    with torch.no_grad():
        for n_samples in (1, 319, 320, 321, 12000):
            audio = speech[:, None, :n_samples]
            hidden = package_codec.encoder(audio)
            assert torch.equal(hidden, transformers_codec.encoder(audio))
            codes = package_codec.quantizer.encode(hidden, 75, 6.0)
            assert torch.equal(codes, transformers_codec.quantizer.encode(hidden, 6.0))
            features = package_codec.quantizer.decode(codes)
            assert torch.equal(features, transformers_codec.quantizer.decode(codes))
            assert torch.equal(package_codec.decoder(features), transformers_codec.decoder(features))
    assert torch.equal(read_codebooks(package_codec), read_codebooks(transformers_codec))


def test_codes_are_those_of_the_packages_own_encode(encode, package_codec, transformers_codec, speech) -> None:
    """The codes equal those of both packages' ``encode`` at every bandwidth; many different codes occur."""
    for codec in (package_codec, transformers_codec):
        for codes, bandwidth, n_codebooks in zip(encode(codec), BANDWIDTHS, (2, 4, 8, 16), strict=True):
            if codec is package_codec:
                codec.set_target_bandwidth(bandwidth)
                expected = codec.encode(speech[:, None])[0][0]
            else:
                expected = codec.encode(speech[:, None], bandwidth=bandwidth).audio_codes[0]
            assert torch.equal(codes, expected.transpose(0, 1))
            assert codes.shape == (n_codebooks, 2, 38)
    assert len(codes.unique()) > IN_USE


def test_every_form_of_weights_gives_the_same_codes(
    encode, package_codec, directory, checkpoint, tmp_path, monkeypatch
) -> None:
    """Weights load from transformers' directory, encodec's file or folder, and the copy in torch's cache."""
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / checkpoint.name).hardlink_to(checkpoint)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    expected = encode(package_codec)
    for source in (directory, str(directory), checkpoint, checkpoint.parent, None):
        assert all(map(torch.equal, encode(source), expected)), source


def test_the_package_encodec_by_itself(encode, package_codec, checkpoint, directory, uninstall) -> None:
    """Without transformers, encodec loads a file or downloads it; a directory of transformers' is refused."""
    expected = encode(package_codec)
    uninstall("transformers")
    for source in (checkpoint, None):
        codec = load_encodec(source)
        assert type(codec).__module__ == "encodec.model"
        assert not codec.training
        assert not any(parameter.requires_grad for parameter in codec.parameters())
        assert all(map(torch.equal, encode(codec), expected))
    with pytest.raises(EncodecError, match=r"need transformers: pip install 'vocos-plugins\[encodec\]'"):
        load_encodec(directory)


def test_a_download_that_fails(checkpoint, uninstall, monkeypatch) -> None:
    """The error names the address, and how to pass a local file."""
    uninstall("transformers")
    monkeypatch.setattr(
        "vocos_plugins.network.encodec_loading.CHECKPOINT_URL", checkpoint.with_name("none.th").as_uri()
    )
    with pytest.raises(EncodecError, match=r"can't be downloaded from file:.*none\.th.*encodec=FILE"):
        load_encodec()


def test_without_either_package(model, uninstall) -> None:
    """Codes can be decoded; encoding says what to install."""
    uninstall("transformers", "encodec")
    features = model.codes_to_features(torch.arange(24).reshape(8, 3))
    assert model.decode(features, bandwidth_id=2).shape == (1, 960)
    with pytest.raises(EncodecError, match=r"neither transformers nor encodec is installed: pip install 'vocos-plu"):
        model(torch.zeros(1, 960), bandwidth_id=2)


def test_a_damaged_file(checkpoint) -> None:
    """A flipped bit is detected by the hash in the name, before the file is read."""
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(EncodecError, match="is damaged: its SHA-256 is"):
        load_encodec(checkpoint)


def test_a_file_that_would_run_code(tmp_path) -> None:
    """The file is refused, and the code in it has not run."""
    (tmp_path / "encodec.th").write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % str(tmp_path / "ran").encode())
    with pytest.raises(EncodecError, match=r"was refused: besides tensors it holds \w+\.system"):
        load_encodec(tmp_path / "encodec.th")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": torch.zeros(1)}], ids=["list", "other-keys"])
def test_a_file_of_something_else(content, tmp_path) -> None:
    """The error says what the file holds instead."""
    torch.save(content, tmp_path / "encodec.th")
    with pytest.raises(
        EncodecError, match=r"expected a state dict of tensors, got a list|does not hold EnCodec's 24 kHz"
    ):
        load_encodec(tmp_path / "encodec.th")


def test_places_without_an_encodec(tmp_path, monkeypatch) -> None:
    """An empty folder, a missing folder and an unreachable repository are errors that say what to do."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncodecError, match=r"holds no EnCodec: expected config\.json.*or encodec_24khz-d7cc33bc\.th"):
        load_encodec(tmp_path)
    for source in (tmp_path / "none", "nobody/nothing"):
        with pytest.raises(EncodecError, match=rf"can't be loaded from {source}: .*encodec=DIRECTORY"):
            load_encodec(source)


def test_weights_that_lack_tensors(tmp_path) -> None:
    """Missing tensors are an error: transformers would fill them with random numbers and a warning."""
    from safetensors.torch import load_file, save_file
    from transformers import EncodecConfig, EncodecModel

    EncodecModel(EncodecConfig(num_filters=2, num_lstm_layers=1)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layers.0.conv.bias"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncodecError, match=r"1 of its tensors are missing, first encoder\.layers\.0\.conv\.bias"):
        load_encodec(tmp_path)


@pytest.mark.parametrize("package", ["encodec", "transformers"])
def test_the_48_khz_model(package) -> None:
    """The 48 kHz model is refused, and the error lists each difference."""
    if package == "encodec":
        from encodec import EncodecModel

        codec = EncodecModel.encodec_model_48khz(pretrained=False)
    else:
        from transformers import EncodecConfig, EncodecModel

        settings = {"sampling_rate": 48000, "audio_channels": 2, "normalize": True, "chunk_length_s": 1.0}
        codec = EncodecModel(EncodecConfig(**settings, num_filters=2, target_bandwidths=[3.0, 6.0, 12.0, 24.0]))
    with pytest.raises(EncodecError, match=r"sample_rate is 48000, expected 24000; it takes 2 channels.*in segments"):
        EncodecEncoder(EncodecCodes(), codec)


def test_other_codes(make_config) -> None:
    """Another rate, too few codebooks and other modules are refused."""
    from transformers import EncodecConfig, EncodecModel

    few = EncodecModel(EncodecConfig(num_filters=2, num_lstm_layers=1, target_bandwidths=[1.5, 6.0]))
    with pytest.raises(EncodecError, match="it has 8 codebooks, expected 16"):
        check_encodec(few, EncodecCodes())
    with pytest.raises(EncodecError, match=r"sample_rate is 24000, expected 16000; hop_length is 320, expected 16"):
        check_encodec(few, make_config("encodec", "adanorm", "istft", "same").features)
    with pytest.raises(EncodecError, match="expected the EnCodec of transformers or of encodec, got Linear"):
        check_encodec(torch.nn.Linear(1, 1), EncodecCodes())
