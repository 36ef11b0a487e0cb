"""A comparison of two variants, to change as a test needs."""

from cutpoint.records.comparison import (
    Agreement,
    BoxDrift,
    Comparison,
    ScoreDrift,
    Share,
    StepCounts,
    ThresholdAgreement,
)

BOXES = Agreement(
    reference=100,
    variant=96,
    missing=5,
    extra=1,
    shares=(Share(0.5, 95, 0.97), Share(0.99, 90, 0.92)),
    score_drift=ScoreDrift(1e-7, 1e-6, 0.00025, 0.01, -1e-6),
    box_drift_px=BoxDrift(0.00012, 0.1, 1.5, 22.04),
    f1=(
        ThresholdAgreement(0.05, 90, 90, 0.8),
        ThresholdAgreement(0.3, 50, 50, 1.0),
        ThresholdAgreement(0.5, 20, 20, 1.0),
        ThresholdAgreement(0.9, 0, 0, None),
    ),
    images=50,
    per_image=(),
)
COMPARISON = Comparison(
    reference="pytorch",
    delta_AP=None,
    delta_AP_ci95=None,
    delta_AP_ci90=None,
    delta_AP_se=None,
    per_size=None,
    per_class=None,
    verdict="inconclusive",
    suspicious=False,
    images_to_decide=None,
    margin=0.001,
    agreement=0.9,
    autopsy=StepCounts({}, {}),
    lossless=None,
    boxes=BOXES,
    refused=None,
    weak_reference=None,
)
