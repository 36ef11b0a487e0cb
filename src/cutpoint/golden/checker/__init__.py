"""The parts of ``check.py``, which a pack has as one file. They import numpy alone and run on Python 3.9."""
