"""What a latency says beside its numbers."""

# the NMS of mmdet ran in Python
UNCOMPILED = "without compiled NMS"
