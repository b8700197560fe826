"""The file that is served says what the network says, and is half its size."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import onnx
import torch

from tests.trainer.labelled import drawn
from trainer.export import ask, ask_torch, compare, export, export_float32, fold_batch_norms, serve
from trainer.model import EMBEDDING, InitUnreadable, Release, Screen, base_from_file, random_base
from trainer.quantize.pack import pack_int8
from trainer.quantize.simulate import to_int8

SIZE = 224


def test_the_served_file_agrees_with_torch(release, model):
    photos = drawn(6, size=SIZE)
    engine = serve(model, SIZE)
    served = ask(engine, photos.inputs, batch=4)
    assert compare(served, ask_torch(release, photos.inputs)).max_abs_dp < 0.01
    parity = compare(served, ask_torch(rounded_to_float16(release), photos.inputs))
    assert parity.photos == 6
    assert parity.max_abs_dp < 1e-4
    assert parity.max_cam_error < 1e-3
    assert parity.max_embedding_error < 1e-3


def test_a_file_with_other_weights_is_caught(release, model):
    photos = drawn(2, size=SIZE)
    other = Release(a_screen(seed=2), release.temperature, 64)
    assert compare(ask(serve(model, SIZE), photos.inputs), ask_torch(other, photos.inputs)).max_abs_dp > 0.01


def test_the_activation_map_averages_to_the_calibrated_logit(release):
    answers = ask_torch(release, drawn(4, size=SIZE).inputs)
    logit = np.log(answers.probability) - np.log1p(-answers.probability)
    assert answers.cam.mean(axis=(1, 2)) == pytest.approx(logit, abs=1e-4)


def test_a_smaller_input_gives_a_map_of_the_same_size_that_averages_to_the_logit_in_every_file(release):
    photos = drawn(4, size=64)
    simulated = fold_batch_norms(release)
    to_int8(simulated, photos.inputs, "max", signed=False)
    whole, small = export_float32(release, 64, 21), pack_int8(simulated, 64, 21)
    served = ask(serve(whole, 64, "fp32"), photos.inputs)
    assert compare(served, ask_torch(release, photos.inputs)).max_cam_error < 1e-3
    for answers in (served, ask(serve(small, 64, "int8"), photos.inputs)):
        logit = np.log(answers.probability) - np.log1p(-answers.probability)
        assert answers.cam.mean(axis=(1, 2)) == pytest.approx(logit, abs=1e-4)
        assert answers.cam[:, 3] == pytest.approx((answers.cam[:, 0] + answers.cam[:, 6]) / 2, abs=1e-4)


def test_the_temperature_is_inside_the_graph(release):
    photos = drawn(4, size=SIZE)
    cooler = Release(release.screen, release.temperature * 2, 64)
    assert ask_torch(cooler, photos.inputs).cam * 2 == pytest.approx(ask_torch(release, photos.inputs).cam, rel=1e-5)


def test_the_shift_is_inside_the_graph_and_the_network_is_left_as_it_was(release):
    photos, bias = drawn(4, size=SIZE), release.screen.linear.bias.clone()
    shifted = Release(release.screen, release.temperature, 64, shift=0.7)
    assert ask_torch(shifted, photos.inputs).cam - 0.7 == pytest.approx(ask_torch(release, photos.inputs).cam, abs=1e-5)
    assert torch.equal(release.screen.linear.bias, bias)


def test_the_weights_are_stored_as_float16_and_half_as_large(release, model):
    proto = onnx.load_from_string(model)
    assert not [node.name for node in proto.graph.node if node.op_type == "BatchNormalization"]
    large = [tensor for tensor in proto.graph.initializer if np.prod(tensor.dims) >= 1024]
    assert large
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.FLOAT16}
    as_float32 = 4 * sum(weights.numel() for weights in fold_batch_norms(release).parameters())
    assert len(model) / as_float32 < 0.56


def test_the_file_that_others_are_measured_against_says_what_torch_says(release):
    photos = drawn(4, size=SIZE)
    parity = compare(
        ask(serve(export_float32(release, SIZE, 21), SIZE, "fp32"), photos.inputs), ask_torch(release, photos.inputs)
    )
    assert parity.max_abs_dp < 1e-4
    assert parity.max_cam_error < 1e-3
    assert parity.max_embedding_error < 1e-3


def test_the_file_names_nothing_of_the_machine_that_made_it(model):
    assert b"site-packages" not in model
    assert b".py" not in model


def test_the_projection_is_fixed_by_its_seed_and_keeps_directions():
    first, again, other = (Release(Screen(random_base(0), 0.0), 1.0, seed).projection for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.allclose(first.T @ first, torch.eye(EMBEDDING), atol=1e-5)


def test_the_base_decides_how_pixels_are_scaled(tmp_path):
    from safetensors.torch import save_file

    weights = {name: tensor.contiguous() for name, tensor in random_base(0).weights.items()}
    save_file(weights, tmp_path / "half.safetensors", {"input": "RGB uint8 -> x/127.5-1", "source": "google-coral/x"})
    save_file(weights, tmp_path / "plain.safetensors")
    half, plain = (base_from_file(tmp_path / f"{name}.safetensors") for name in ("half", "plain"))
    assert half.mean == (127.5, 127.5, 127.5)
    assert plain.mean[0] == pytest.approx(0.485 * 255)
    assert "Apache 2.0" in half.credit
    assert "Apache" not in plain.credit


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"hello world\n", b"PK\x03\x04", b"\x80\x02((("])
def test_what_is_no_mobilenet_is_refused(tmp_path, content):
    for name in ("init.safetensors", "init.pth"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InitUnreadable):
            base_from_file(tmp_path / name)


@pytest.mark.parametrize("kept", [None, [1, 2], torch.zeros(3), {1: torch.zeros(3)}, {"features.0.0.weight": 3}])
def test_what_holds_no_tensors_by_their_names_is_refused(tmp_path, kept):
    torch.save(kept, tmp_path / "init.pth")
    with pytest.raises(InitUnreadable, match="does not hold tensors by their names"):
        base_from_file(tmp_path / "init.pth")


def test_another_network_is_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet.pth")
    with pytest.raises(InitUnreadable, match="Missing key"):
        base_from_file(tmp_path / "resnet.pth")


def rounded_to_float16(release: Release) -> Release:
    """What the file holds: the rest of the difference from torch is the exporter's and the engine's."""
    rounded = fold_batch_norms(release)
    for weights in (*rounded.parameters(), rounded.projection):
        if weights.numel() >= 1024:
            weights.data = weights.half().float()
    return rounded


def a_screen(seed: int = 0) -> Screen:
    """Untrained, but not silent: with batch statistics of some photos and a loud classifier, answers lie apart."""
    screen = Screen(random_base(seed), dropout=0.0).train()
    for module in screen.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        screen(torch.from_numpy(drawn(4, size=SIZE, seed=seed).inputs))
        screen.linear.weight.copy_(torch.randn(screen.linear.weight.shape) * 0.03)
    return screen.eval()


@pytest.fixture(scope="module")
def release() -> Release:
    return Release(a_screen(), temperature=0.5, embedding_seed=64).eval()


@pytest.fixture(scope="module")
def model(release) -> bytes:
    return export(release, SIZE, 18)
