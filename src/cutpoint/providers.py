"""The execution providers of ONNX Runtime, one row each, and the devices that they run on.

What a provider can do is asked here and nowhere else: a new one is a row of ``PROVIDERS``. Imports nothing,
so that a plan is quick to make.
"""

from dataclasses import dataclass

from cutpoint.errors import UserError, suggest


@dataclass(frozen=True)
class Device:
    """What providers run on.

    ``pytorch``: PyTorch's name for it, and the provider that a PyTorch run there counts as.
    ``memory``: ONNX Runtime's name for its memory, to which inputs and outputs are copied; null where that is
    the host's.
    ``page_locked``: whether the copies are faster from CUDA's page-locked memory, see ``predict.pinned``.
    ``runs_at_once``: whether several runs of a session at once use it best; else it takes one at a time.
    ``gpus``: how many of Snakemake's resource ``gpu`` a job there takes.
    ``preloads``: whether torch's packages hold its libraries, see ``onnxruntime.preload_dlls``.
    ``absent``: what to say where the machine has none.
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

    ``name``: in the config. ``runtime_name``: in ONNX Runtime.
    ``fallbacks``: names of the providers that get what it cannot run, in this order.
    ``built_in``: whether every ONNX Runtime has it.
    ``library``: the file of the onnxruntime package whose loading fails where one of its own is missing.
    ``package``: what to install where ONNX Runtime does not have it.
    ``options``: name and value of options that its sessions have.
    ``graph_option``: the one that replays a run as a CUDA graph.
    ``tf32_option``: the one that lets it round the factors of fp32 products to 10 bits; ``tf32_variable``:
    the environment variable for that, read once a process, where there is no option. Null for both: it has
    no tf32.
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
        ),
    )
}
# what `device: auto` takes: the first that the machine has
AUTO = ("cuda", "cpu")


def get_provider(name: str) -> Provider:
    """The provider of that name in the config.

    Raises:
        UserError: there is none.
    """
    if name not in PROVIDERS:
        raise UserError(f"provider {name!r}: unknown{suggest(name, PROVIDERS)}")
    return PROVIDERS[name]
