"""Export a detector at every cut, measure what each one costs, and say why.

The ground floor is ``records``: the files between the stages as dataclasses. Each stage is a package, in the
order in which data flow: ``plan`` (what a config asks for), ``data``, ``detector`` (all that knows torch),
``export``, ``predict`` with ``decode`` and ``recipes``, ``evaluate``, ``latency``, ``compare``, ``summary``,
``report``, ``gate``. ``demo`` draws the embedded data sets.
"""

import os

# ONNX Runtime tells Microsoft what it is used for unless this is set before it is imported (its Privacy.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
