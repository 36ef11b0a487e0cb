"""When a reference is too weak to compare with."""

# a reference that reaches less AP (fraction), or nothing, is no detector of these images: nothing can be lost
LEAST_AP, NO_DETECTION = 0.01, "no detection at all"
