"""Types of what mmdet builds. mmdet has none, and to torch's a module has only tensors and modules in it."""

from typing import Any

# mmdet's BaseDetector, and its dense heads
Detector = Any
Head = Any
