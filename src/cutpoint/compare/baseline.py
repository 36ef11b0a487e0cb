"""When a reference is too weak, or images are too few, to compare with."""

# a reference with less AP (fraction), or without a detection, does not detect these images: it cannot lose
LEAST_AP, NO_DETECTION = 0.01, "no detection at all"
# a class, size or slice with objects in fewer images has no interval: so few images do not represent others
MIN_IMAGES = 10
