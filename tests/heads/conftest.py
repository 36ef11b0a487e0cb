"""Which models are tested, each built once."""

import pytest
from zoo_cases import BODIES, CASES, FAMILY, HEADS, halves


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--heads",
        default="family",
        help="family (those of make test), all, heads-first, heads-second, bodies-first or bodies-second "
        "(halves of the heads, and of backbones and necks), or names with commas",
    )
    parser.addoption("--backbone", default="narrow", choices=["narrow", "zoo"], help="zoo: as in the config")
    parser.addoption("--record", help="folder to write each model's worst differences to")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bench" in metafunc.fixturenames:
        # without this folder on the command line the options do not exist
        chosen = metafunc.config.getoption("--heads", "family")
        names = {"family": FAMILY, "all": list(CASES)}
        for kind, members in (("heads", HEADS), ("bodies", list(BODIES))):
            names |= zip((f"{kind}-first", f"{kind}-second"), halves(members), strict=True)
        metafunc.parametrize("bench", names.get(chosen) or chosen.split(","), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is a test of the test bed itself, and slow, runs with ``make heads`` only."""
    if config.getoption("--heads", "family") != "family":
        return
    bed = [item for item in items if item.get_closest_marker("test_bed")]
    items[:] = [item for item in items if item not in bed]
    config.hook.pytest_deselected(items=bed)
