"""Bad inputs: external ONNX files."""

from bad_input import BadInput, write

ROWS = [
    BadInput(
        "onnx file of text",
        "ONNX file: text",
        write("small.onnx", "graph"),
        ("variants.small.onnx: small.onnx: not an ONNX file that can be read: it is text"),
    ),
]
