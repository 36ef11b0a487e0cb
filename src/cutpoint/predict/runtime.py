"""ONNX Runtime sessions: the provider that was asked for runs, or there is an error."""

import contextlib
import ctypes
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime

from cutpoint.errors import UserError
from cutpoint.predict.binding import Binding
from cutpoint.predict.load_errors import first_line, load_error
from cutpoint.predict.pinned import cuda_pool
from cutpoint.providers import PROVIDERS, REFUSED, Provider, get_provider
from cutpoint.records.json_file import as_record
from cutpoint.records.model import METADATA_KEY, as_spec
from cutpoint.records.onnx_model import OVERFLOW_KEY, PRECISION_KEY, WEIGHTED, Metadata, upgrade_metadata

# the provider that runs what no other provider of a session can run
HOST = PROVIDERS["cpu"].runtime_name
# What runs after these, or on which shapes, depends on values that the host waits for. That cannot be a CUDA
# graph (NVIDIA, TensorRT issue 4194; ONNX Runtime, pull request 9978).
UNKNOWN_SHAPES = {"Compress", "If", "Loop", "NonMaxSuppression", "NonZero", "Scan", "Unique"}


class Session:
    """An ONNX file ready to run on one provider.

    Attributes:
        provider: name of the session's first provider, see ``providers``.
        cut: ``raw``, ``decoded`` or ``e2e``.
        clip: ``image`` or ``tensor`` for ``e2e``, otherwise null.
        takes_sizes: whether the file has the input ``image_sizes``.
        scores: ``class`` or ``fused`` for ``decoded``, otherwise null.
        external: name of the external file that this one was made from, or null.
        probabilities: names of raw tensors whose logits were made from probabilities; see ``external``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        overflow: the tensor of a graph in fp16 that overflows, and the image; null if none is known.
        spec: the model specification in the file.
        tensor: what the input ``images`` takes.
        batch: number of images of a static export, or null.
        empty: allocates an input, as ``numpy.empty`` does; ``pinned``: in page-locked memory.
        cuda_graph: whether a run replays a CUDA graph.
        optimisation: ONNX Runtime's level of graph optimisation.
        shape: height and width of a static export, or null.
    """

    def __init__(
        self,
        path: str | Path,
        provider: str,
        threads: int | None = None,
        *,
        tf32: bool = False,
        profile: str | None = None,
        spin_s: float = 0,
    ) -> None:
        """Open a session.

        Args:
            path: ONNX file of ``cutpoint.export``.
            provider: name of a provider, see ``providers``.
            threads: intra-op threads; null leaves ONNX Runtime's default (all cores).
            tf32: let the provider round the factors of fp32 products to 10 bits.
            profile: start of the path of a profile that ``end_profiling`` writes; null: no profile.
            spin_s: seconds that idle threads wait for the next run without sleep.

        Raises:
            UserError: the file cannot be loaded, the provider is missing, or it lacks an operator.
        """
        self._path = path
        options = session_options(threads, profile, spin_s)
        self.optimisation = options.graph_optimization_level.name
        self._row = row = get_provider(provider)
        check_provider(provider)
        self._session, self.cuda_graph = _open(path, row, tf32, options)
        got = self._session.get_providers()[0]
        if got != row.runtime_name:
            raise UserError(
                f"{path}: asked for {row.runtime_name}, ONNX Runtime fell back to {got}: "
                f"{_missing_library(row)}"
            )
        if row.device.copies:
            self._check_operators(path)
        self.provider = provider
        content = read_metadata(self._session, path)
        self.cut = content.cut
        self.clip = content.clip
        self.scores = content.scores
        self.recipe = content.recipe
        self.external = content.external
        self.probabilities = content.probabilities
        properties = self._session.get_modelmeta().custom_metadata_map
        self.precision = properties.get(PRECISION_KEY, "fp32")
        self.overflow = properties.get(OVERFLOW_KEY)
        self.spec = as_spec(content.spec, f"{path}: {METADATA_KEY}: spec")
        self._outputs = [value.name for value in self._session.get_outputs()]
        self.tensor = content.tensor
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self.takes_sizes = "image_sizes" in shapes
        batch, *sides = shapes["images"]
        height, width = sides[:2] if self.tensor.channels_last else sides[1:]
        self.batch = batch if isinstance(batch, int) else None
        static = isinstance(height, int) and isinstance(width, int)
        self.shape = (height, width) if static else None
        memory = row.device.memory
        self._binding = Binding(self._session, fixed=self.cuda_graph, device=memory) if memory else None
        self.empty, self.pinned = _allocator(row)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the graph: input name to array in, output name to array out."""
        return self.download(self.compute(self.upload(feeds)))

    def upload(self, feeds: dict[str, np.ndarray]) -> Any:
        """Copy inputs to the provider's device; without a copy if that is the host."""
        return self._binding.upload(feeds) if self._binding else feeds

    def compute(self, uploaded: Any) -> Any:
        """Run the graph on the result of ``upload``; returns when the device has finished.

        Raises:
            UserError: ONNX Runtime cannot run it on these inputs.
        """
        try:
            return self._binding.run(uploaded) if self._binding else self._session.run(None, uploaded)
        except Exception as error:  # onnxruntime's own exception types share no base but this
            raise UserError(f"{self._path}: ONNX Runtime cannot run it ({first_line(error)})") from error

    def download(self, computed: Any) -> dict[str, np.ndarray]:
        """Copy the result of ``compute`` to the host: output name to array."""
        values = self._binding.download(computed) if self._binding else computed
        return dict(zip(self._outputs, values, strict=True))

    @property
    def provider_options(self) -> dict[str, str]:
        """The options of the provider in ONNX Runtime."""
        options: dict[str, str] = self._session.get_provider_options()[self._row.runtime_name]
        return options

    def end_profiling(self) -> str:
        """Write the profile of a session opened with ``profile``; returns its path."""
        return str(self._session.end_profiling())

    def _check_operators(self, path: str | Path) -> None:
        """Refuse a session in which operators with weights fall back to the CPU."""
        parts = self._session.get_provider_graph_assignment_info()
        on_cpu = {n.op_type for p in parts if p.ep_name == HOST for n in p.get_nodes()}
        lacking = sorted(on_cpu.intersection(WEIGHTED))
        if lacking:
            raise UserError(
                f"{path}: the provider {self._row.name} lacks {', '.join(lacking)} in ONNX Runtime "
                f"{onnxruntime.__version__}, which would run on the CPU; use `provider: cpu`"
            )


def session_options(
    threads: int | None, profile: str | None = None, spin_s: float = 0
) -> onnxruntime.SessionOptions:
    """Options of every session; arguments as in ``Session``."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if spin_s:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(round(spin_s * 1e6)))
    else:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads:
        options.intra_op_num_threads = threads
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return options


def _open(
    path: str | Path, row: Provider, tf32: bool, options: onnxruntime.SessionOptions
) -> tuple[onnxruntime.InferenceSession, bool]:
    """Open a session. With fixed shapes everywhere, all on the provider, it is replayed as a CUDA graph."""
    plain = _create(path, row, tf32, options)
    if row.graph_option and _is_fixed(plain):
        parts = plain.get_provider_graph_assignment_info()
        operators = {node.op_type for part in parts for node in part.get_nodes()}
        on_provider = all(part.ep_name == row.runtime_name for part in parts)
        if on_provider and not operators & UNKNOWN_SHAPES:
            return _create(path, row, tf32, options, graph=True), True
    return plain, False


def _create(
    path: str | Path,
    row: Provider,
    tf32: bool,
    options: onnxruntime.SessionOptions,
    graph: bool = False,
) -> onnxruntime.InferenceSession:
    chain = (row, *(PROVIDERS[name] for name in row.fallbacks))
    wanted = [(link.runtime_name, link.session_options(tf32=tf32, graph=graph)) for link in chain]
    if row.tf32_variable:
        os.environ[row.tf32_variable] = str(int(tf32))
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:  # onnxruntime's own exception types share no base but this
        raise load_error(path, row, error) from error


def check_loads(path: str | Path, source: str) -> None:
    """Load a file on the CPU without optimising it, which is quick. ``source`` names it in the message.

    Raises:
        UserError: ONNX Runtime cannot load it.
    """
    options = session_options(1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        onnxruntime.InferenceSession(str(path), options, providers=[HOST])
    except Exception as error:  # onnxruntime's own exception types share no base but this
        raise load_error(source, get_provider("cpu"), error) from error


def _allocator(row: Provider) -> tuple[Callable[..., np.ndarray], bool]:
    if row.device.page_locked:
        # without the CUDA runtime library a copy needs another buffer: it is slower, and the facts say so
        with contextlib.suppress(OSError):
            return cuda_pool().empty, True
    return np.empty, False


def _is_fixed(session: onnxruntime.InferenceSession) -> bool:
    """Whether all shapes are known before the run."""
    values = [*session.get_inputs(), *session.get_outputs()]
    return all(isinstance(side, int) for value in values for side in value.shape)


def _missing_library(row: Provider) -> str:
    """Why a provider's library does not load, in the words of the loader, which name the missing library."""
    if row.library:
        try:
            ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / row.library))
        except OSError as error:
            return f"{error}; install it, or set `device: cpu`"
    return f"its libraries load, so {REFUSED}; set `device: cpu`"


def check_provider(provider: str) -> None:
    """Raise ``UserError`` when this machine's ONNX Runtime does not have the provider."""
    row = get_provider(provider)
    if row.device.preloads:
        onnxruntime.preload_dlls()
    available = onnxruntime.get_available_providers()
    if row.runtime_name not in available:
        raise UserError(
            f"provider {provider}: this ONNX Runtime {onnxruntime.__version__} has only "
            f"{', '.join(available)}; install {row.package}, or set `device: cpu`"
        )


def check_session(provider: str) -> None:
    """Open a session of one operator with a provider that this ONNX Runtime may lack.

    Raises:
        UserError: ONNX Runtime does not have the provider, or falls back to another one.
    """
    check_provider(provider)
    row = get_provider(provider)
    value = ir.Value(name="x", shape=ir.Shape([1]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node("Identity", [value])
    node.outputs[0].name = "y"
    graph = ir.Graph([value], node.outputs, nodes=[node], opset_imports={"": 18})
    model = ir.serde.serialize_model(ir.Model(graph, ir_version=8)).SerializeToString()
    got = onnxruntime.InferenceSession(model, providers=[row.runtime_name]).get_providers()[0]
    if got != row.runtime_name:
        raise UserError(f"ONNX Runtime falls back from {row.runtime_name} to {got}: {_missing_library(row)}")


def read_metadata(session: onnxruntime.InferenceSession, path: str | Path) -> Metadata:
    """The metadata that ``cutpoint.export`` wrote into the file.

    Raises:
        UserError: the file was not written by Cutpoint, or by a newer version.
    """
    properties = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in properties:
        raise UserError(f"{path}: no {METADATA_KEY!r} metadata; only Cutpoint's own exports can be run here")
    try:
        content = json.loads(properties[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: its {METADATA_KEY!r} metadata is no JSON ({error}); make it again"
        ) from error
    return as_record(content, Metadata, f"{path}: {METADATA_KEY}", upgrade_metadata)
