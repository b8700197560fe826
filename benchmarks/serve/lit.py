"""LitServe serving the same INT8 file: a process a core, batches as it forms them, photos posted over HTTP."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import onnxruntime as ort
from fastapi import Request

from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec


class Screen(litserve.LitAPI):  # type: ignore[misc]  # litserve is untyped
    """Decodes, infers in batches, answers JSON: what the worker says of a photo, less its envelope."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe passes it)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # as ours: a process a core
        self.session = ort.InferenceSession(os.environ["BENCHMARK_MODEL"], options, providers=["CPUExecutionProvider"])
        self.spec = PreprocessSpec.from_json(json.loads(os.environ["BENCHMARK_PREPROCESS"]))

    def decode_request(self, request: Request) -> Any:
        form: Any = request  # LitServe hands over the form that it has read
        return form["content"].file.read()

    def batch(self, inputs: Any) -> Any:
        return np.stack([to_input(self.spec, decode(data)) for data in inputs])

    def predict(self, x: Any) -> Any:
        return self.session.run(["probability", "cam", "embedding"], {"rgb": x})

    def unbatch(self, output: Any) -> Any:
        return list(zip(*output, strict=True))

    def encode_response(self, output: Any) -> Any:
        probability, cam, embedding = output
        return {"probability": float(probability), "cam": cam.tolist(), "embedding": embedding.tolist()}


def main(port: int, most: int) -> None:
    api = Screen(max_batch_size=most, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=os.cpu_count() or 1)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, num_api_servers=1, log_level="warning")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main(int(sys.argv[1]), int(sys.argv[2]))
