"""ONNX Runtime sessions: what was asked for is what runs, or a message."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from cutpoint.errors import UserError
from cutpoint.headspec import METADATA_KEY, ModelSpec

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
PRECISION_KEY = "cutpoint_precision"
# The operators that carry a network's weights: on a GPU none of them may fall back to the CPU.
WEIGHTED = ("Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul")
LACKING = re.compile(r"Could not find an implementation for (\w+)\((\d+)\)")


class Session:
    """An ONNX file ready to run on one provider.

    Attributes:
        provider: the provider that the session really has first: ``cpu``, ``cuda`` or ``tensorrt``.
        cut: ``raw``, ``decoded`` or ``e2e``.
        clip: ``image`` or ``tensor`` for ``e2e``, else null.
        scores: ``class`` or ``fused`` for ``decoded``, else null.
        probabilities: names of raw tensors whose logits were made from probabilities; see ``foreign``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        spec: the model specification that travels in the file.
        batch: number of images of a static export, else null.
        shape: height and width of a static export, else null.
    """

    def __init__(self, path: str | Path, provider: str, threads: int | None = None) -> None:
        """Open a session.

        Args:
            path: ONNX file written by ``write_export``.
            provider: ``cpu``, ``cuda`` or ``tensorrt``.
            threads: intra-op threads; null leaves ONNX Runtime's default (all cores).

        Raises:
            UserError: the file cannot be loaded, or the provider is not there or lacks an operator.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if threads:
            options.intra_op_num_threads = threads
        wanted = PROVIDERS[provider]
        check_provider(provider)
        providers = [wanted] if provider == "cpu" else [wanted, PROVIDERS["cpu"]]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime's own exception types share no base but this
            lacking = LACKING.search(str(error))
            if lacking:
                raise UserError(
                    f"{path}: the provider {provider} lacks the operator {lacking[1]} (opset {lacking[2]}) "
                    f"in ONNX Runtime {onnxruntime.__version__}; use another provider, or a newer onnxruntime"
                ) from error
            raise UserError(f"{path}: ONNX Runtime cannot load it ({str(error).splitlines()[0]})") from error
        got = self._session.get_providers()[0]
        if got != wanted:
            raise UserError(
                f"{path}: asked for {wanted}, ONNX Runtime fell back to {got}; "
                "its log above names the library that is missing"
            )
        if provider != "cpu":
            self._check_operators(path, provider)
        self.provider = next(name for name, value in PROVIDERS.items() if value == got)
        content = read_metadata(self._session, path)
        self.cut = content["cut"]
        self.clip = content.get("clip")
        self.scores = content.get("scores")
        self.recipe = content.get("recipe")
        self.probabilities = content.get("probabilities", [])
        properties = self._session.get_modelmeta().custom_metadata_map
        self.precision = properties.get(PRECISION_KEY, "fp32")
        self.spec = ModelSpec.from_dict(content["spec"])
        self._outputs = [value.name for value in self._session.get_outputs()]
        batch, _, height, width = self._session.get_inputs()[0].shape
        self.batch = batch if isinstance(batch, int) else None
        static = isinstance(height, int) and isinstance(width, int)
        self.shape = (height, width) if static else None

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the graph: input name to array in, output name to array out."""
        return dict(zip(self._outputs, self._session.run(None, feeds), strict=True))

    def _check_operators(self, path: str | Path, provider: str) -> None:
        parts = self._session.get_provider_graph_assignment_info()
        on_cpu = {n.op_type for p in parts if p.ep_name == PROVIDERS["cpu"] for n in p.get_nodes()}
        lacking = sorted(on_cpu.intersection(WEIGHTED))
        if lacking:
            raise UserError(
                f"{path}: the provider {provider} lacks {', '.join(lacking)} in ONNX Runtime "
                f"{onnxruntime.__version__}, which would run on the CPU; use `provider: cpu`"
            )


def check_provider(provider: str) -> None:
    """Raise ``UserError`` when this machine's ONNX Runtime does not have the provider."""
    if provider != "cpu":
        # torch's own CUDA packages hold the libraries
        onnxruntime.preload_dlls()
    available = onnxruntime.get_available_providers()
    if PROVIDERS[provider] not in available:
        raise UserError(
            f"provider {provider}: this ONNX Runtime {onnxruntime.__version__} has only "
            f"{', '.join(available)}; install onnxruntime-gpu, or set `device: cpu`"
        )


def read_metadata(session: onnxruntime.InferenceSession, path: str | Path) -> dict[str, Any]:
    """The JSON that ``write_export`` put into the file.

    Raises:
        UserError: the file was not written by Cutpoint.
    """
    properties = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in properties:
        raise UserError(f"{path}: no {METADATA_KEY!r} metadata; only Cutpoint's own exports can be run here")
    return json.loads(properties[METADATA_KEY])
