"""Tensors on a GPU: inputs and outputs are bound there, so that each copy is a separate step."""

from typing import Any

import numpy as np
import onnxruntime

# of the outputs of an export
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}


class Binding:
    """Binds the tensors of a session to its device.

    A session that replays a CUDA graph needs them at the same addresses in each run. Then one set of tensors
    is kept and overwritten. Otherwise each run has new tensors, so that shapes may change.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, *, fixed: bool, device: str, index: int = 0
    ) -> None:
        """``fixed``: all shapes are known and the addresses stay; ``device``: ONNX Runtime's name for it."""
        self._session = session
        self._device = device, index
        self._outputs = session.get_outputs()
        self._kept: tuple[Any, dict[str, onnxruntime.OrtValue]] | None = None
        self._fixed = fixed

    def upload(self, feeds: dict[str, np.ndarray]) -> Any:
        """Copy the inputs to the device and bind them; returns what ``run`` takes."""
        if self._kept:
            binding, inputs = self._kept
            for name, value in inputs.items():
                value.update_inplace(feeds[name])
            return binding
        binding = self._session.io_binding()
        inputs = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), *self._device)
            for name, array in feeds.items()
        }
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for output in self._outputs:
            if self._fixed:
                binding.bind_ortvalue_output(output.name, self._room_for(output))
            else:
                binding.bind_output(output.name, *self._device)
        if self._fixed:
            self._kept = binding, inputs
        return binding

    def run(self, binding: Any) -> Any:
        """Run the graph and wait for the device."""
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return binding

    def download(self, binding: Any) -> list[np.ndarray]:
        """Copy the outputs to the host, in the session's order."""
        outputs: list[np.ndarray] = binding.copy_outputs_to_cpu()
        return outputs

    def _room_for(self, output: Any) -> onnxruntime.OrtValue:
        kind = TYPES[output.type]
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(output.shape, kind, *self._device)
