"""All that knows torch and mmdet. Importing it makes mmdet importable on mmcv-lite."""

import warnings

from cutpoint.detector import mmcv_ops

# mmdet's and mmengine's own use of what they have deprecated: nothing that a user could mend
for message in ("pkg_resources is deprecated", "DeprecationWarning: `num_anchors`"):
    warnings.filterwarnings("ignore", message=message)
mmcv_ops.install()
