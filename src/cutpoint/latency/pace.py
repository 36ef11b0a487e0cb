"""Seconds between the runs that are timed."""

# Threads of a timed session wait for the next run without sleep, as in ONNX Runtime's default, for a little
# longer than decoding takes. The next variant's turn comes after a rest. ONNX Runtime only estimates this
# time: on one machine 0.02 s were 0.04 s.
SPIN_S, REST_S = 0.01, 0.03
