"""TensorRT builds a plan from ONNX and opens it again. The only module that loads it, in either flavour.

``tensorrt`` (servers, Jetson) builds on the GPU that will serve. ``tensorrt_rtx`` also builds ahead of time, on a
machine without a GPU, for the kinds of GPU that it is told.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, cast

from pallor.errors import Unavailable, Untrusted
from worker.engines.batches import BATCH
from worker.engines.tensorrt_api import Context, CudaEngine, Library

MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}

# Told of each phase of a build: its name, steps done, steps in all.
Progress = Callable[[str, int, int], None]


class NoTensorrt(Unavailable):
    """The library is not installed."""


class TensorrtBroken(Unavailable):
    """The library is installed and does not load."""


class PlanNotBuilt(Unavailable):
    """TensorRT makes no plan of this graph; it says why."""


class PlanRefused(Untrusted):
    """TensorRT does not open the plan; it says why."""


class TensorRt:
    """One flavour of the library.

    Attributes:
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        version: as the library writes it; plans of another are refused.
        families: the kinds of GPU it can build for, as ``sm86``; None: only for the one that is there.

    Raises:
        NoTensorrt, TensorrtBroken: it cannot be loaded.
    """

    def __init__(self, flavour: str) -> None:
        try:
            self._trt = cast(Library, import_module(MODULES[flavour]))
            self.version = self._trt.__version__
        except ModuleNotFoundError as error:
            raise NoTensorrt(f"{MODULES[flavour]} is not installed") from error
        except Exception as error:  # a library that is missing, a namespace without a module in it
            raise TensorrtBroken(f"{MODULES[flavour]}: {error}") from error
        self.flavour = flavour
        known = getattr(self._trt, "ComputeCapability", None)
        self.families = known and tuple(name.lower() for name in known.__members__ if name.startswith("SM"))

    def build(
        self,
        onnx: bytes,
        size: int,
        family: str,
        progress: Progress | None = None,
        *,
        batch: tuple[int, int, int] = BATCH,
    ) -> bytes:
        """The plan of a graph that follows the contract, for one kind of GPU.

        Args:
            size: side of the square input, pixels.
            family: as ``sm86``; the flavour that builds for the GPU that is there does not look at it.
            batch: least, usual and largest number of photos; plans that are kept have ``BATCH``.

        Raises:
            PlanNotBuilt: with TensorRT's own words.
        """
        trt, log = self._trt, _log_of(self._trt)
        builder = trt.Builder(log)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, log)
        if not parser.parse(onnx):
            said = [parser.get_error(at).desc() for at in range(parser.num_errors)]
            raise PlanNotBuilt(f"{self.flavour} {self.version} cannot read the graph: {_first_of(said)}")
        config, profile = builder.create_builder_config(), builder.create_optimization_profile()
        profile.set_shape("rgb", *((photos, size, size, 3) for photos in batch))
        config.add_optimization_profile(profile)
        if progress:
            config.progress_monitor = _monitor_of(trt, progress)
        if self.families is not None:
            if family not in self.families:
                raise PlanNotBuilt(f"{self.flavour} {self.version} builds for {', '.join(self.families)}, not {family}")
            config.num_compute_capabilities = 1
            config.set_compute_capability(getattr(trt.ComputeCapability, family.upper()), 0)
            config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # or its runs could not be recorded
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise PlanNotBuilt(f"{self.flavour} {self.version} for {family}: {_first_of(log.said)}")
        return bytes(plan)

    def open(self, plan: bytes) -> "Plan":
        """Hand a plan to TensorRT: it is code, so only bytes whose digest was checked may come here.

        Raises:
            PlanRefused: with TensorRT's own words.
        """
        log = _log_of(self._trt)
        runtime = self._trt.Runtime(log)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise PlanRefused(f"{self.flavour} {self.version}: {_first_of(log.said)}")
        return Plan(self._trt, runtime, engine, log)


class Plan:
    """A plan on the GPU. ``tensors``: shape of each input and output; its batch is -1."""

    def __init__(self, trt: Library, runtime: Any, engine: CudaEngine, log: Any) -> None:
        self._trt, self._engine = trt, engine
        self._owners = (runtime, log)  # must outlive the engine
        names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
        self.tensors = {name: tuple(engine.get_tensor_shape(name)) for name in names}
        self.types = {name: engine.get_tensor_dtype(name).name.lower() for name in names}

    def runner(self, shape: Sequence[int], addresses: dict[str, int]) -> Context:
        """What computes one shape of input, with every tensor at its address in the GPU's memory.

        Raises:
            PlanRefused: there is no memory for it, or the plan is not for this shape.
        """
        config = self._engine.create_runtime_config()
        if hasattr(self._trt, "DynamicShapesKernelSpecializationStrategy"):
            # Else kernels are exchanged in the background later on, and a recording would keep the slow ones.
            config.dynamic_shapes_kernel_specialization_strategy = (
                self._trt.DynamicShapesKernelSpecializationStrategy.EAGER
            )
        context = self._engine.create_execution_context(config)
        if context is None or not context.set_input_shape("rgb", tuple(shape)):
            raise PlanRefused(f"no room for {tuple(shape)}: {_first_of(self._owners[1].said)}")
        if not all(context.set_tensor_address(name, address) for name, address in addresses.items()):
            raise PlanRefused(f"no place for {', '.join(addresses)}: {_first_of(self._owners[1].said)}")
        return context


def may_be_recorded(context: Context, stream: int) -> bool:
    """Whether TensorRT lets its work be recorded; only TensorRT-RTX can be asked."""
    return context.is_stream_capturable(stream) if hasattr(context, "is_stream_capturable") else True


def _log_of(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]  # known when the program runs
        """Keeps what went wrong, for the error; TensorRT tells a lot else."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.said.append(message)

    return Log()


def _monitor_of(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._totals: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            self._totals[phase_name] = num_steps
            progress(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress(phase_name, step + 1, self._totals[phase_name])
            return True

        def phase_finish(self, phase_name: str) -> None:
            total = self._totals.pop(phase_name)
            progress(phase_name, total, total)

    return Monitor()


def _first_of(said: Sequence[str]) -> str:
    """The first line: what comes later follows from it."""
    return said[0].splitlines()[0] if said else "it does not say why"
