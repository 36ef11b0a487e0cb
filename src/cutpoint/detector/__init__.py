"""The only package that uses torch and mmdet. Importing it makes mmdet importable on mmcv-lite."""

import warnings

from cutpoint.detector import mmcv_ops

# mmdet and mmengine use what they have deprecated themselves; a user cannot change that
for message in ("pkg_resources is deprecated", "DeprecationWarning: `num_anchors`"):
    warnings.filterwarnings("ignore", message=message)
mmcv_ops.install()
