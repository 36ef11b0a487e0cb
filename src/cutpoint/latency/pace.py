"""Seconds between the runs that are timed."""

# Threads of a timed session wait for the next run without sleep, as ONNX Runtime's do by default, not much
# longer than decoding takes; the next variant's turn comes after a rest. ONNX Runtime only estimates that
# time: on one machine 0.02 s were 0.04 s.
SPIN_S, REST_S = 0.01, 0.03
