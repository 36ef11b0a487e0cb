"""What the writers and the readers of an exported ONNX file agree on beside its metadata's specification."""

# key of the metadata that says in which precision the graph computes: fp32, fp16 or int8
PRECISION_KEY = "cutpoint_precision"
# label of the rows of `e2e` behind an image's count of detections
PADDING_LABEL = -1
# the operators that carry a network's weights
WEIGHTED = ("Conv", "ConvTranspose", "DeformConv", "Gemm", "MatMul")
