"""ONNX Runtime, on the CPU or with its kernels for CUDA. The only module that knows onnxruntime."""

import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pallor.digest import sha256_of
from pallor.errors import Unavailable
from pallor.prediction import Engine as EngineFacts
from worker.engines.batches import BATCH, parts_of
from worker.engines.port import CAM_SIDE, EMBEDDING_LENGTH, Answers, GraphRefused

VERSION: str = ort.__version__
HAS_CUDA = "CUDAExecutionProvider" in ort.get_available_providers()
_PROVIDERS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "onnxruntime-cpu": [("CPUExecutionProvider", {})],
    "onnxruntime-cuda": [
        # TF32 rounds what 32 bits were asked for to 10: the bundled release was off by 0.05 with it, by 0.0000 without.
        ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}),
        ("CPUExecutionProvider", {}),
    ],
}
_OUTPUTS = ["probability", "cam", "embedding"]
_ANY = 0  # photos: of a session that takes batches of every size


class ProviderMissing(Unavailable):
    """ONNX Runtime serves without the kernels that were asked for."""


class OnnxEngine:
    """A graph served by ONNX Runtime.

    Args:
        path: the model file; it is read once, so what was digested is what runs.
        digest: what the file must be, ``sha256:<hex>``.
        precision: ``fp32`` | ``fp16`` | ``int8``, as the manifest says.
        size: side of the square input, pixels.
        threads: how many threads compute one photo.
        fallback: why another engine was meant to run, if one was.
        flavour: ``onnxruntime-cpu`` | ``onnxruntime-cuda``.
        fixed: whether every batch is padded to a few sizes, each with a session of its own that has run once before the
            first photo comes. On CUDA, unless said otherwise: there a session plans anew, for seconds (six on an H200),
            whenever the size is another than the last one.

    Raises:
        GraphRefused: the file is another, no ONNX, or does not follow the graph contract.
        ProviderMissing: ONNX Runtime does without its kernels for CUDA here.
    """

    def __init__(
        self,
        path: Path,
        *,
        digest: str,
        precision: str,
        size: int,
        threads: int = 1,
        fallback: str | None = None,
        flavour: str = "onnxruntime-cpu",
        fixed: bool | None = None,
    ) -> None:
        try:
            model = path.read_bytes()
        except OSError as error:
            raise GraphRefused(f"{path.name} cannot be read: {error}") from error
        if sha256_of(model) != digest:
            raise GraphRefused(f"{path.name} is not the file with the digest {digest}")
        self._facts = EngineFacts(flavour, VERSION, precision, digest, fallback)
        self._fixed = flavour == "onnxruntime-cuda" if fixed is None else fixed
        sizes = BATCH if self._fixed else (_ANY,)
        self._sessions = {photos: _open(model, path.name, threads, _PROVIDERS[flavour]) for photos in sizes}
        _check_contract(self._sessions[sizes[0]], path.name, size)
        if self._fixed:
            for photos in BATCH:
                self._run(np.zeros((photos, size, size, 3), np.uint8))

    def infer(self, batch: NDArray[np.uint8]) -> Answers:
        if not self._fixed:
            return Answers(*self._run(batch))
        parts = [self._padded(batch[start:stop], size) for start, stop, size in parts_of(len(batch))]
        return Answers(*(np.concatenate(said) for said in zip(*parts, strict=True)))

    def _padded(self, photos: NDArray[np.uint8], size: int) -> list[NDArray[np.float32]]:
        whole = np.zeros((size, *photos.shape[1:]), np.uint8)
        whole[: len(photos)] = photos
        return [said[: len(photos)] for said in self._run(whole)]

    def _run(self, batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        session = self._sessions[len(batch) if self._fixed else _ANY]
        said: list[NDArray[np.float32]] = session.run(_OUTPUTS, {"rgb": batch})
        return said

    def describe(self) -> EngineFacts:
        return self._facts


def _open(model: bytes, name: str, threads: int, providers: list[tuple[str, dict[str, str]]]) -> Any:
    wanted = providers[0][0]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: warnings of the optimizer are for whoever exports, not for a clinic's log
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    if wanted not in ort.get_available_providers():
        raise ProviderMissing(f"this ONNX Runtime has no {wanted}")
    if wanted == "CUDAExecutionProvider":
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find; the system may have it
            ort.preload_dlls()  # CUDA's libraries as pip installs them lie where no loader looks
    try:
        session = ort.InferenceSession(model, options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise GraphRefused(f"{name} is no graph that ONNX Runtime can open: {error}") from error
    if session.get_providers()[0] != wanted:  # it falls back to the CPU in silence
        raise ProviderMissing(f"{wanted} does not start here")
    return session


def _check_contract(session: Any, name: str, size: int) -> None:
    wanted = {
        "rgb": ("tensor(uint8)", [size, size, 3]),
        "probability": ("tensor(float)", []),
        "cam": ("tensor(float)", [CAM_SIDE, CAM_SIDE]),
        "embedding": ("tensor(float)", [EMBEDDING_LENGTH]),
    }
    there = {node.name: node for node in (*session.get_inputs(), *session.get_outputs())}
    if [node.name for node in session.get_inputs()] != ["rgb"] or there.keys() != wanted.keys():
        raise GraphRefused(f"{name} has {sorted(there)}, the contract is rgb in and {', '.join(_OUTPUTS)} out")
    for part, (kind, shape) in wanted.items():
        node = there[part]
        # The first dimension is the batch: free, so its name in the graph is not ours to judge.
        if node.type != kind or not node.shape or isinstance(node.shape[0], int) or node.shape[1:] != shape:
            spelled = ", ".join(map(str, ["N", *shape]))
            raise GraphRefused(f"{name}: {part} is {node.type} {node.shape}, the contract is {kind} [{spelled}]")
