"""What Pallor uses of TensorRT's Python API, which ``tensorrt`` and ``tensorrt_rtx`` share. Neither has types.

A test holds these names and arguments against the bindings that are installed.
"""

from collections.abc import Sequence
from typing import Any, Protocol


class Profile(Protocol):
    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None: ...  # noqa: A002


class Config(Protocol):
    num_compute_capabilities: int  # TensorRT-RTX
    progress_monitor: Any

    def add_optimization_profile(self, profile: Profile) -> int: ...
    def set_flag(self, flag: Any) -> None: ...
    def set_compute_capability(self, compute_capability: Any, index: int) -> bool: ...  # TensorRT-RTX


class Builder(Protocol):
    def create_network(self, flags: int) -> Any: ...
    def create_builder_config(self) -> Config: ...
    def create_optimization_profile(self) -> Profile: ...
    def build_serialized_network(self, network: Any, config: Config) -> Any: ...


class ParserError(Protocol):
    def desc(self) -> str: ...


class Parser(Protocol):
    @property
    def num_errors(self) -> int: ...
    def parse(self, model: bytes) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class RuntimeConfig(Protocol):
    dynamic_shapes_kernel_specialization_strategy: Any  # TensorRT-RTX


class Context(Protocol):
    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...
    def is_stream_capturable(self, stream: int) -> bool: ...  # TensorRT-RTX


class CudaEngine(Protocol):
    @property
    def num_io_tensors(self) -> int: ...
    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def get_tensor_dtype(self, name: str) -> Any: ...
    def create_runtime_config(self) -> RuntimeConfig: ...
    def create_execution_context(self, runtime_config: RuntimeConfig) -> Context | None: ...


class Runtime(Protocol):
    def deserialize_cuda_engine(self, serialized_engine: bytes) -> CudaEngine | None: ...


class Library(Protocol):
    """The module itself."""

    __version__: str
    ILogger: Any
    IProgressMonitor: Any
    BuilderFlag: Any
    ComputeCapability: Any  # TensorRT-RTX
    DynamicShapesKernelSpecializationStrategy: Any  # TensorRT-RTX
    NetworkDefinitionCreationFlag: Any

    def Builder(self, logger: Any) -> Builder: ...  # noqa: N802 (the library's name)
    def OnnxParser(self, network: Any, logger: Any) -> Parser: ...  # noqa: N802
    def Runtime(self, logger: Any) -> Runtime: ...  # noqa: N802
