"""Bad inputs: mmdet configs and checkpoints."""

from bad_input import BadInput, write

ROWS = [
    BadInput(
        "checkpoint of text",
        "checkpoint: a file of text",
        write("detector/atss_traffic.pth", "weights"),
        (
            "checkpoint detector/atss_traffic.pth: cannot be read as weights: it was not written "
            "by torch.save, or is damaged (Unsupported operand 119)"
        ),
    ),
]
