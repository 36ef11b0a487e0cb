"""What the code that writes and the code that reads an exported ONNX file share."""

from dataclasses import dataclass
from typing import Any, Literal

from cutpoint.records.image import FLOAT_CHANNELS_FIRST, TensorForm
from cutpoint.records.recipe import upgrade_definition

# metadata key for the precision of the graph: fp32, fp16 or int8
PRECISION_KEY = "cutpoint_precision"
# metadata key for why a graph in fp16 gives no detections: the tensor that overflows, and the image
OVERFLOW_KEY = "cutpoint_overflow"
# label of the rows of `e2e` after an image's count of detections
PADDING_LABEL = -1
# the operators that carry a network's weights
WEIGHTED = ("Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul")


@dataclass(frozen=True)
class Metadata:
    """The JSON in an exported file, by ``model.METADATA_KEY``.

    ``spec``: see ``model.as_spec``. ``e2e`` has ``clip`` and ``recipe``, ``decoded`` has ``scores``.
    ``external``: name of the external file that this one was made from, or null.
    ``probabilities``: names of raw tensors whose logits were made from probabilities. ``tensor``: what the
    input ``images`` takes.
    """

    cut: Literal["raw", "decoded", "e2e"]
    spec: dict[str, Any]
    clip: str | None = None
    recipe: str | dict[str, Any] | None = None
    scores: str | None = None
    external: str | None = None
    probabilities: tuple[str, ...] = ()
    tensor: TensorForm = FLOAT_CHANNELS_FIRST


def upgrade_metadata(content: dict[str, Any], number: int) -> dict[str, Any]:
    """Metadata of an older format in today's words; see ``json_file.as_record``."""
    upgraded = {**content, "recipe": upgrade_definition(content.get("recipe"))}
    if "foreign" in upgraded:
        upgraded["external"] = upgraded.pop("foreign")
    return upgraded
