"""Models built and traced once for all tests of this folder."""

import pytest
from models import SMALL_ATSS, YOLOX, Exports, Model, make_model, open_exports


@pytest.fixture(scope="session")
def atss(tmp_path_factory) -> Model:
    folder = tmp_path_factory.mktemp("atss")
    (folder / "small_atss.py").write_text(SMALL_ATSS)
    return make_model(folder, str(folder / "small_atss.py"))


@pytest.fixture(scope="session")
def yolox(tmp_path_factory) -> Model:
    return make_model(tmp_path_factory.mktemp("yolox"), YOLOX)


@pytest.fixture(scope="session", params=["atss", "yolox"])
def model(request) -> Model:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def atss_exports(atss) -> Exports:
    return open_exports(atss)


@pytest.fixture(scope="session")
def yolox_exports(yolox) -> Exports:
    return open_exports(yolox)


@pytest.fixture(scope="session", params=["atss_exports", "yolox_exports"])
def exports(request) -> Exports:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def bed(tmp_path_factory):
    from planted import Bed

    return Bed(tmp_path_factory.mktemp("planted"))
