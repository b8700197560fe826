"""TensorRT-RTX builds for real, without a GPU, and refuses by name; what is called of it and of CUDA is there."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from tests.support.releases import SIZE, a_graph
from worker.engines import cuda, tensorrt_api
from worker.engines.batches import BATCH, parts_of
from worker.engines.cuda import CudaFailed, DriverTooOld, GpuMemoryFull, NoDriver, NoGpu, find_gpu
from worker.engines.tensorrt import NoTensorrt, PlanNotBuilt, PlanRefused, TensorRt

trt = pytest.importorskip("tensorrt_rtx", reason="the extra tensorrt-rtx is not installed")


def test_a_plan_is_built_without_a_gpu_for_the_kind_that_is_asked_for(library):
    told = []
    plan = library.build(a_graph(), SIZE, "sm86", lambda phase, done, total: told.append((phase, done, total)))
    assert len(plan) > 1000
    assert told[0][1] == 0
    assert told[-1] == (told[0][0], told[0][2], told[0][2])  # the whole build, done
    assert all(0 <= done <= total for _, done, total in told)


def test_progress_ends_with_the_build_even_when_it_fails(library):
    with pytest.raises(PlanNotBuilt, match=r"builds for sm75, .*, not sm90"):
        library.build(a_graph(), SIZE, "sm90")


@pytest.mark.parametrize("graph", [b"", b"no graph at all", a_graph()[:200]], ids=["nothing", "no ONNX", "cut off"])
def test_what_is_no_graph_is_refused_with_the_librarys_words(library, graph):
    with pytest.raises(PlanNotBuilt, match=r"tensorrt-rtx 1.+: .{8}"):
        library.build(graph, SIZE, "sm86")


def test_a_graph_of_another_size_makes_no_plan(library):
    with pytest.raises(PlanNotBuilt):
        library.build(a_graph(size=2 * SIZE), SIZE, "sm86")


def test_a_flavour_that_is_not_installed_is_named():
    with pytest.raises(NoTensorrt, match="tensorrt is not installed"):
        TensorRt("tensorrt")


def test_without_a_driver_a_plan_is_refused_and_the_reason_is_the_driver(library, no_driver):
    with pytest.raises(PlanRefused, match="CUDA driver"):
        library.open(library.build(a_graph(), SIZE, "sm86"))


def test_without_a_driver_there_is_no_gpu_and_the_reason_is_the_driver(no_driver):
    with pytest.raises(NoDriver):
        find_gpu()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("cudaErrorMemoryAllocation", GpuMemoryFull),
        ("cudaErrorInsufficientDriver", DriverTooOld),
        ("cudaErrorNoDevice", NoGpu),
        ("cudaErrorIllegalAddress", CudaFailed),
        ("cudaErrorDevicesUnavailable", CudaFailed),
    ],
)
def test_what_cuda_says_becomes_an_error_that_names_it(status, kind):
    with pytest.raises(kind, match=status):
        cuda._call((getattr(cuda.cudart.cudaError_t, status), None))


@pytest.mark.parametrize("photos", [0, 1, 2, 7, 8, 9, 31, 32, 33, 64, 100])
def test_a_batch_is_cut_and_padded_to_the_fixed_sizes(photos):
    parts = list(parts_of(photos))
    assert [start for start, _, _ in parts] == [0, *(stop for _, stop, _ in parts[:-1])]
    assert parts[-1][1] == photos
    for start, stop, size in parts:
        assert size in BATCH
        assert size == min(one for one in BATCH if one >= stop - start)


def test_every_call_into_cuda_is_there_and_takes_these_arguments():
    called = [
        (node.func.attr, len(node.args))
        for node in ast.walk(ast.parse(Path(cuda.__file__).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_name(node.func.value, "cudart")
    ]
    assert len(called) > 12
    for name, arguments in called:
        inspect.signature(getattr(cuda.cudart, name)).bind(*range(arguments))


def test_every_name_of_cuda_is_there():
    for node in ast.walk(ast.parse(Path(cuda.__file__).read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            if is_name(node.value.value, "cudart"):
                assert hasattr(getattr(cuda.cudart, node.value.attr), node.attr)
        elif isinstance(node, ast.Attribute) and is_name(node.value, "cudart"):
            assert hasattr(cuda.cudart, node.attr)


OWNERS = {
    "Profile": "IOptimizationProfile", "Config": "IBuilderConfig", "Builder": "Builder", "Parser": "OnnxParser",
    "ParserError": "ParserError", "RuntimeConfig": "IRuntimeConfig", "Context": "IExecutionContext",
    "CudaEngine": "ICudaEngine", "Runtime": "Runtime",
}  # fmt: skip


@pytest.mark.parametrize("ours", OWNERS)
def test_our_types_of_the_library_are_those_of_its_bindings(ours):
    protocol, theirs = getattr(tensorrt_api, ours), getattr(trt, OWNERS[ours])
    read_only = [name for name, value in vars(protocol).items() if isinstance(value, property)]
    for name in (*protocol.__annotations__, *read_only):
        assert isinstance(getattr(theirs, name), property), name
    for name, method in vars(protocol).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)[1:]
            assert wanted in arguments_of(getattr(theirs, name)), (name, wanted)


def test_the_library_itself_has_what_we_take_from_it():
    for name in tensorrt_api.Library.__annotations__:
        assert hasattr(trt, name), name
    for name in ("Builder", "OnnxParser", "Runtime"):
        wanted = list(inspect.signature(getattr(tensorrt_api.Library, name)).parameters)[1:]
        assert wanted in arguments_of(getattr(trt, name).__init__)
    assert trt.BuilderFlag.REQUIRE_USER_ALLOCATION
    assert trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert trt.DynamicShapesKernelSpecializationStrategy.EAGER
    assert (trt.DataType.UINT8.name, trt.DataType.FLOAT.name) == ("UINT8", "FLOAT")


def arguments_of(method) -> list[list[str]]:
    """As the bindings document them: for each overload those that must be given, then with the others."""
    found = []
    for said in re.findall(r"\(self: [^,)]*(?:, (.*?))?\) ->", method.__doc__):
        parts = [part for part in re.split(r", (?=\w+:)", said) if part]
        for given in ([part for part in parts if "=" not in part], parts):
            found.append([part.partition(":")[0] for part in given])
    return found


def is_name(node, name) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@pytest.fixture(scope="module")
def library() -> TensorRt:
    return TensorRt("tensorrt-rtx")


@pytest.fixture
def no_driver() -> None:
    (_, driver) = cuda.cudart.cudaDriverGetVersion()
    if driver:
        pytest.skip("this machine has a driver")
