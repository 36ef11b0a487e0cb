"""The execution providers of ONNX Runtime, one row each, and the devices that they run on.

This is the only place that knows what a provider can do. A new provider is a row of ``PROVIDERS``.
"""

from dataclasses import dataclass

from cutpoint.errors import UserError, suggest


@dataclass(frozen=True)
class Device:
    """A device that providers run on.

    ``pytorch``: PyTorch's name for it, and the provider that a PyTorch run on it counts as.
    ``memory``: ONNX Runtime's name for its memory, which inputs and outputs are copied to; null if it is the
    host's memory.
    ``page_locked``: whether copies are faster from CUDA's page-locked memory, see ``predict.pinned``.
    ``runs_at_once``: whether several runs of a session at once use it best; otherwise one at a time.
    ``gpus``: how many of Snakemake's resource ``gpu`` a job on it takes.
    ``preloads``: whether torch's packages have its libraries, see ``onnxruntime.preload_dlls``.
    ``absent``: the message if the machine does not have it.
    """

    pytorch: str
    memory: str | None = None
    page_locked: bool = False
    runs_at_once: bool = True
    gpus: int = 0
    preloads: bool = False
    absent: str = ""

    @property
    def copies(self) -> bool:
        """Whether tensors are copied between it and the host."""
        return self.memory is not None


# Why a session is not on its device though all libraries are there.
REFUSED = "the device or its driver refused it"
CPU = Device("cpu")
NVIDIA = Device(
    "cuda",
    memory="cuda",
    page_locked=True,
    runs_at_once=False,
    gpus=1,
    preloads=True,
    absent="no CUDA device is visible (no NVIDIA driver, or CUDA_VISIBLE_DEVICES hides it)",
)


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    ``name``: its name in the config. ``runtime_name``: its name in ONNX Runtime.
    ``fallbacks``: names of the providers that run what it cannot run, in this order.
    ``built_in``: whether every ONNX Runtime has it.
    ``library``: the file of the onnxruntime package that does not load if one of its libraries is missing.
    ``package``: what to install if ONNX Runtime does not have it.
    ``options``: names and values of the options of its sessions.
    ``graph_option``: the option that replays a run as a CUDA graph.
    ``tf32_option``: the option that lets it round the factors of fp32 products to 10 bits. ``tf32_variable``:
    if there is no option, the environment variable for it, which is read once per process. If both are null,
    it has no tf32.
    ``most_ranked``: the most rows that a TopK on it can give; null without a limit.
    """

    name: str
    runtime_name: str
    device: Device
    fallbacks: tuple[str, ...] = ()
    built_in: bool = False
    library: str | None = None
    package: str = "onnxruntime"
    options: tuple[tuple[str, str], ...] = ()
    graph_option: str | None = None
    tf32_option: str | None = None
    tf32_variable: str | None = None
    most_ranked: int | None = None

    @property
    def has_tf32(self) -> bool:
        """Whether tf32 can be switched."""
        return self.tf32_option is not None or self.tf32_variable is not None

    def session_options(self, *, tf32: bool, graph: bool) -> dict[str, str]:
        """The options of one session; ``graph``: replay its runs as a CUDA graph."""
        switches = {self.tf32_option: tf32, self.graph_option: graph}
        return dict(self.options) | {name: str(int(on)) for name, on in switches.items() if name}


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider("cpu", "CPUExecutionProvider", CPU, built_in=True),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            NVIDIA,
            fallbacks=("cpu",),
            library="libonnxruntime_providers_cuda.so",
            package="onnxruntime-gpu",
            graph_option="enable_cuda_graph",
            tf32_option="use_tf32",
        ),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            NVIDIA,
            fallbacks=("cuda", "cpu"),
            library="libonnxruntime_providers_tensorrt.so",
            package="onnxruntime-gpu",
            graph_option="trt_cuda_graph_enable",
            tf32_variable="NVIDIA_TF32_OVERRIDE",
            most_ranked=3840,
        ),
    )
}
# `device: auto` takes the first of these that the machine has
AUTO = ("cuda", "cpu")


def get_provider(name: str) -> Provider:
    """The provider with this name in the config.

    Raises:
        UserError: there is no such provider.
    """
    if name not in PROVIDERS:
        raise UserError(f"provider {name!r}: unknown{suggest(name, PROVIDERS)}")
    return PROVIDERS[name]
