"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Few examples, the same in each run. CUTPOINT_EXAMPLES=5000 tries as many, other ones each time.
EXAMPLES = int(os.environ.get("CUTPOINT_EXAMPLES", "0"))
settings.register_profile(
    "cutpoint",
    derandomize=not EXAMPLES,
    max_examples=EXAMPLES or 20,
    deadline=None,
    database=None,
    # fixtures of whole modules are folders that each example writes over
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("cutpoint")

# As cutpoint/__init__.py does; a test may import ONNX Runtime first.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real images, annotations and weights: CUTPOINT_REAL, else ../shared/real.

    Without it a test is skipped by name, and fails under CI=true.
    """
    folder = Path(os.environ.get("CUTPOINT_REAL", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        message = f"real data: no folder {folder}; set CUTPOINT_REAL"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds; runs after all others")
    config.addinivalue_line("markers", "real: real weights, photographs, mmdet's whole zoo; make real")
    config.addinivalue_line("markers", "test_bed: about the zoo models themselves; only with make heads")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
