"""How external ONNX files are laid out: what a file says of itself, which layout fits, what it means."""
