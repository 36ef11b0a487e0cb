"""The parts of a network that compute where something is: they need more digits than features do.

float16 has 11 bits: a corner at 1500 px is rounded to whole pixels, and so is what is sampled there. Between
two such operators only corners, fractions of the image and scores are computed, no features.
"""

from collections.abc import Sequence

import onnx

from cutpoint.export.split import constant_sizes, has_weight, list_reads
from cutpoint.records.onnx_model import WEIGHTED

# The inputs of these operators that say where, or that are ranked.
POSITIONS = {"RoiAlign": (1, 2), "GridSample": (1,), "NonMaxSuppression": (0, 1), "TopK": (0,)}


def find_positions(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The nodes that compute positions, and the last ones with weights before them.

    Args:
        model: its nodes have different names and are sorted.
        nodes: those of the network.

    Returns:
        both empty for a network without such operators, as dense heads are.
    """
    sizes = constant_sizes(model)
    wanted = set[str]()
    inside, border = [], []
    for node in reversed(nodes):
        positions = POSITIONS.get(node.op_type, ())
        wanted.update(node.input[index] for index in positions if index < len(node.input))
        if not wanted.intersection(node.output):
            continue
        if node.op_type in WEIGHTED and has_weight(node, sizes):
            border.append(node)
        else:
            inside.append(node)
            wanted.update(list_reads(node))
    return inside[::-1], border[::-1]
