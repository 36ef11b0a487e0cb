"""Bad inputs: mmdet configs and checkpoints."""

from bad_input import BadInput, write

ROWS = [
    BadInput(
        "checkpoint of text",
        "checkpoint: a file of text",
        write("detector/atss_traffic.pth", "weights"),
        (
            "checkpoint detector/atss_traffic.pth: it is text, not a checkpoint; name the file "
            "with the weights in it"
        ),
    ),
]
