"""When a reference is too weak to compare with."""

# a reference with less AP (fraction), or without a detection, does not detect these images: it cannot lose
LEAST_AP, NO_DETECTION = 0.01, "no detection at all"
