"""The files hold real integers, compute what was simulated, and cost what they may."""

import collections
import copy
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

import onnx
import onnxruntime
import torch
from onnx import TensorProto, numpy_helper

from tests.trainer.labelled import a_recipe, drawn
from trainer.export import ask, ask_torch, compare, fold_batch_norms, serve
from trainer.model import Release, Screen, random_base
from trainer.prune import prune
from trainer.quantize.files import quantization_steps, quantize
from trainer.quantize.judge import compare_files, time_files
from trainer.quantize.pack import _for_four_pixels, pack_int4, pack_int8
from trainer.quantize.scan import count_scans, scan, too_coarse
from trainer.quantize.simulate import METHODS, integers_of, relu_grid, to_int4, to_int8, weight_ranges

pytestmark = pytest.mark.slow

SIZE = 224
TRAIN, UNSEEN = drawn(8, size=SIZE, seed=0), drawn(8, size=SIZE, seed=1)


def test_the_integers_are_those_that_were_simulated(release):
    """To the last one but for ties; further on each tie that falls the other way moves many others a little."""
    simulated = fold_batch_norms(release)
    to_int8(simulated, TRAIN.inputs, "max", signed=False)
    model = pack_int8(simulated, SIZE, 21)
    away = np.abs(integers_in(model, "features.0.0.first") - simulated_stem(simulated))
    assert away.max() <= 1
    assert away.mean() < 0.001
    served = ask(serve(model, SIZE, "int8"), UNSEEN.inputs)
    assert compare(served, ask_torch(simulated, UNSEEN.inputs)).max_abs_dp < 0.05


def test_each_precision_is_as_small_as_it_is_meant_to_be(made):
    ratio = {precision: len(model) / len(made.files["fp32"]) for precision, model in made.files.items()}
    assert ratio["fp16"] < 0.51
    assert ratio["int8"] < 0.29
    assert ratio["int8-trt"] < 0.29
    assert ratio["int4"] < 0.20


def test_onnx_runtime_counts_in_integers_from_the_first_pixel_to_the_last_map(made, tmp_path):
    operators = collections.Counter(node.op_type for node in optimized(made.files["int8"], tmp_path).graph.node)
    assert operators["QLinearConv"] == 52
    assert operators["QLinearAdd"] == 10
    assert operators["Conv"] == 0
    assert operators["QuantizeLinear"] == 0


def test_what_tensorrt_is_given_lies_around_zero(made):
    proto = onnx.load_from_string(made.files["int8-trt"])
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "QuantizeLinear":
            assert held[node.input[2]].dtype == np.int8
            assert not held[node.input[2]].any()


def test_int4_is_stored_in_four_bits_by_block(made):
    proto = onnx.load_from_string(made.files["int4"])
    small = [tensor for tensor in proto.graph.initializer if tensor.data_type == TensorProto.INT4]
    assert len(small) == sum(row["weight_bits"] == 4 for row in made.nodes if row["precision"] == "int4")
    assert 25 <= len(small) <= 35  # 1x1 convolutions and the classifier, but for those that it would hurt
    of_blocks = [node for node in proto.graph.node if any(part.name == "block_size" for part in node.attribute)]
    assert {node.op_type for node in of_blocks} == {"DequantizeLinear"}
    assert len(of_blocks) == len(small)


def test_every_layer_is_named_with_its_bits(made):
    bits = {(row["precision"], row["name"]): row["weight_bits"] for row in made.nodes}
    assert bits["int8", "features.0.0"] == 8
    assert bits["int8", "linear"] == 32  # the classifier says the last word in float
    assert bits["int4", "features.17.conv.2"] == 4
    assert bits["int4", "features.17.conv.1.0"] == 8  # depthwise
    nodes = {(node.name, node.op_type) for node in onnx.load_from_string(made.files["int4"]).graph.node}
    assert {(row["name"], row["op"]) for row in made.nodes if row["precision"] == "int4"} <= nodes


def test_fine_tuning_changes_the_integers_and_is_the_same_every_time(release, made, monkeypatch):
    monkeypatch.setattr("trainer.quantize.files.export_float32", lambda *_: made.files["fp32"])  # as it was before
    told = []
    again = quantize(release, TRAIN.inputs, recipe(), stepped=lambda: told.append(1))
    assert again.files["int8"] == made.files["int8"]
    assert len(told) == quantization_steps(recipe())
    rough = quantize(release, TRAIN.inputs, recipe(aware_steps=0))
    exact = ask(serve(made.files["fp32"], SIZE, "fp32"), TRAIN.inputs).probability

    def far(model):
        return float(np.abs(ask(serve(model, SIZE, "int8"), TRAIN.inputs).probability - exact).mean())

    assert far(made.files["int8"]) < 0.05
    assert rough.files["int8"] != made.files["int8"]


def test_the_scan_tells_what_each_layer_alone_does_and_leaves_all_at_work(release):
    simulated = fold_batch_norms(release)
    to_int8(simulated, TRAIN.inputs[:2], "max", signed=False)
    before, told = ask_torch(simulated, UNSEEN.inputs[:1]).probability, []
    found = scan(simulated, UNSEEN.inputs[:1], lambda: told.append(1))
    assert len(found) == len(told) == count_scans(simulated)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert "features.1.conv.0.0.weight_quantizer" in found
    assert ask_torch(simulated, UNSEEN.inputs[:1]).probability == pytest.approx(before)


def test_layers_that_int4_hurts_keep_more_bits(release):
    simulated = fold_batch_norms(release)
    to_int4(simulated, TRAIN.inputs[:2], 32, kept=("features.1.conv.1", "linear"))
    model = pack_int4(simulated, SIZE, 21)
    held = {tensor.name: tensor.data_type for tensor in onnx.load_from_string(model).graph.initializer}
    assert held["features.1.conv.1.weight.integers"] == TensorProto.INT8
    assert held["linear.weight"] == TensorProto.FLOAT
    assert held["features.2.conv.2.matrix.steps.integers"] == TensorProto.INT4
    served = ask(serve(model, SIZE, "int4"), UNSEEN.inputs[:2])
    assert compare(served, ask_torch(simulated, UNSEEN.inputs[:2])).max_abs_dp < 1e-4


def test_a_layer_is_too_coarse_if_its_weights_alone_move_answers_too_far():
    away = {
        "features.1.conv.1.linear.weight_quantizer": 0.4,
        "features.0.0.weight_quantizer": 0.03,
        "linear.weight_quantizer": 0.021,
        "features.2.conv.2.linear.weight_quantizer": 0.02,
    }
    assert too_coarse(away, 0.02) == ["features.1.conv.1", "features.0.0", "linear"]


@pytest.mark.parametrize("method", METHODS)
def test_each_way_to_choose_ranges_gives_a_file_that_serves(release, method, monkeypatch):
    monkeypatch.setattr("trainer.quantize.simulate._ENTROPY_STRIDE", 256)  # a rougher search, of the same kind
    simulated = fold_batch_norms(release)
    to_int8(simulated, TRAIN.inputs[:4], method, signed=False)
    assert np.isfinite(ask(serve(pack_int8(simulated, SIZE, 21), SIZE, "int8"), UNSEEN.inputs[:2]).probability).all()


def test_four_pixels_at_once_give_the_very_sums_of_three():
    drawn_from = torch.Generator().manual_seed(3)
    kernels = torch.randint(-127, 128, (5, 3, 3, 3), generator=drawn_from).double()
    photo = torch.randint(-128, 128, (1, 16, 16, 3), generator=drawn_from).double()
    usual = torch.nn.functional.conv2d(photo.permute(0, 3, 1, 2), kernels, stride=2, padding=1)
    fours = torch.nn.functional.pad(photo.reshape(1, 16, 4, 12).permute(0, 3, 1, 2), (1, 0, 1, 0))
    wide = torch.from_numpy(np.ascontiguousarray(_for_four_pixels(kernels.numpy())))
    pairs = torch.nn.functional.conv2d(fours, wide, stride=(2, 1))
    assert torch.equal(pairs.permute(0, 2, 3, 1).reshape(1, 8, 8, 5), usual.permute(0, 2, 3, 1))


def test_a_dead_channel_keeps_its_bias(release):
    simulated = fold_batch_norms(release)
    dead = simulated.screen.features[0][0]
    with torch.no_grad():
        dead.weight[0] = 0
        dead.bias[0] = 3
    to_int8(simulated, TRAIN.inputs[:4], "max", signed=False)
    scale = 1 / 127.5
    integers = integers_of(simulated.screen.features[0][0], scale)
    assert not integers.values[0].any()
    assert round(3 / (scale * integers.scales[0])) < 2**31
    stem = integers_in(pack_int8(simulated, SIZE, 21), "features.0.0.first")
    assert np.array_equal(stem[:, 0], simulated_stem(simulated)[:, 0])
    assert stem[:, 0].all()


def test_a_pruned_network_can_be_quantized_too(release):
    narrow = copy.deepcopy(release)
    prune(narrow.screen.features, 0.5)
    simulated = fold_batch_norms(narrow)
    to_int8(simulated, TRAIN.inputs[:4], "max", signed=False)
    served = ask(serve(pack_int8(simulated, SIZE, 21), SIZE, "int8"), UNSEEN.inputs[:2])
    assert compare(served, ask_torch(simulated, UNSEEN.inputs[:2])).max_abs_dp < 0.05


def test_layers_that_stay_in_float_keep_their_weights(release):
    simulated = fold_batch_norms(release)
    to_int8(simulated, TRAIN.inputs[:4], "max", signed=False, float_layers=("1.conv.0.0",))
    model = pack_int8(simulated, SIZE, 21)
    held = {tensor.name: tensor.data_type for tensor in onnx.load_from_string(model).graph.initializer}
    assert held["features.1.conv.0.0.weight"] == TensorProto.FLOAT


def test_files_are_judged_against_the_whole_one(made):
    rows = {row["precision"]: row for row in judged(made)}
    assert rows["fp32"]["decisions_changed"] == rows["fp32"]["max_abs_dp"] == rows["fp32"]["auroc_loss"] == 0
    assert rows["int8"]["max_abs_dp"] > 0
    assert rows["int8"]["auroc_loss_upper95"] >= rows["int8"]["auroc_loss"]


def test_times_are_of_every_file_and_batch(made):
    times = time_files({"fp32": made.files["fp32"], "int8": made.files["int8"]}, SIZE, batches=(1, 2), rounds=1)
    assert {precision: set(of) for precision, of in times.items()} == {"fp32": {1, 2}, "int8": {1, 2}}
    assert all(ms > 0 for of in times.values() for ms in of.values())


def test_ranges_are_those_of_the_weights(release):
    folded = fold_batch_norms(release).screen
    weights = folded.features[0][0].weight.detach()
    found = weight_ranges(folded, ["features.0.0"], 128)["features.0.0"]
    by_kernel = weights.abs().amax(dim=(1, 2, 3))
    assert found["int8_per_axis"] == pytest.approx((float(by_kernel.min()), float(by_kernel.max())))
    assert found["int4_block_wise"][1] == pytest.approx(float(weights.abs().max()))


def judged(made):
    return compare_files(made.files, UNSEEN.inputs, UNSEEN.anaemic, np.arange(8), 0.5, recipe())


def integers_in(model, tensor):
    """What ONNX Runtime holds under this name, of the first two photos."""
    proto = onnx.load_from_string(model)
    proto.graph.output.append(onnx.helper.make_tensor_value_info(tensor, TensorProto.UINT8, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run([tensor], {"rgb": UNSEEN.inputs[:2]})[0].astype(int)


def simulated_stem(simulated):
    """What the first ReLU6 gives, counted in steps, of the first two photos."""
    pixels = (torch.from_numpy(UNSEEN.inputs[:2]).permute(0, 3, 1, 2).float() - 128) / 127.5
    with torch.no_grad():
        stem = simulated.screen.features[0]
        return np.rint(stem(pixels).numpy() / relu_grid(stem[2]).scale).astype(int)


def optimized(model, folder) -> onnx.ModelProto:
    """The graph that ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx")


def recipe(**quantization):
    whole = a_recipe(size=SIZE)
    small = {"photos": 4, "aware_steps": 2, "aware_batch": 2, **quantization}
    return replace(
        whole,
        evaluation=replace(whole.evaluation, bootstrap_draws=20),
        quantization=replace(whole.quantization, **small),
    )


@pytest.fixture(scope="module")
def release() -> Release:
    """Untrained, but with batch statistics of some photos and a head that says something."""
    screen = Screen(random_base(0), dropout=0.0).train()
    for module in screen.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        screen(torch.from_numpy(TRAIN.inputs))
        loud = torch.randn(screen.linear.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.03
        screen.linear.weight.copy_(loud)
    return Release(screen.eval(), temperature=1.0, embedding_seed=64).eval()


@pytest.fixture(scope="module")
def made(release):
    return quantize(release, TRAIN.inputs, recipe(), int4=True)
