"""Every local file that a config or a module reaches is found, without running it."""

import json

import pytest

from cutpoint.errors import UserError
from cutpoint.plan.closure import config_files, module_files


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return lambda files: write(**files)


def test_bases_of_bases_are_reached(write):
    write(
        {
            "base.py": "x = 1\n",
            "mine.py": "_base_ = ['./base.py']\nmodel = {}\n",
            "sub/child.py": "_base_ = '../mine.py'\n",
        }
    )
    assert config_files("sub/child.py") == ["sub/child.py", "mine.py", "base.py"]
    assert config_files("mmdet::atss/atss_r50_fpn_1x_coco.py") == []


@pytest.mark.parametrize(
    ("expression", "bases"),
    [
        ('"./a" + ".py"', ["a.py"]),
        ('["./a" + ".py", "./b.py"]', ["a.py", "b.py"]),
        ('[f"./{name}.py" for name in ("a", "b")]', ["a.py", "b.py"]),
        ('["{}.py".format("b")]', ["b.py"]),
        ('["./a.py"] + ["./b.py"]', ["a.py", "b.py"]),
        ('osp.join(".", "a.py")', ["a.py"]),
        ('[os.path.join(".", "b.py")]', ["b.py"]),
        ('["./" + osp.join(".", n + ".py") for n in ["b", "a"]]', ["b.py", "a.py"]),
        ('"{}/{}.{}".format(".", "a", "py")', ["a.py"]),
        ('"{{ fileBasenameNoExtension }}_base.py"', ["c_base.py"]),
        ('"{{$WHICH:a}}.py"', ["a.py"]),
        ('["mmdet::_base_/default_runtime.py", "a.py"]', ["a.py"]),
        ("[]", []),
    ],
)
def test_base_expressions_are_evaluated_as_mmengine_does(write, expression, bases):
    write({"a.py": "x = 1\n", "b.py": "y = 1\n", "c_base.py": "z = 1\n", "c.py": f"_base_ = {expression}\n"})
    assert config_files("c.py") == ["c.py", *bases]
    from mmengine.config import Config

    if "::" not in expression:
        values = {"a.py": "x", "b.py": "y", "c_base.py": "z"}
        assert sorted(Config.fromfile("c.py")) == sorted(values[base] for base in bases)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "_base_ = name + '.py'",
            r"c\.py: _base_ = name \+ '\.py' cannot be read without .* \(Unknown: name\); write",
        ),
        ("_base_ = ['a.py', 3]", r"c\.py: _base_ = \['a\.py', 3\]: mmengine takes a text or a list of texts"),
        ("_base_ = ('a.py',)", r"_base_ = \('a\.py',\): mmengine takes a text or a list of texts"),
        ("_base_ = ().__class__", r"cannot be read without running it \(Unknown: \(\)\.__class__\)"),
        (
            "_base_ = open('a.py').read()",
            r"cannot be read without running it \(Unknown: open\('a\.py'\)\.read",
        ),
        ("_base_ = __import__('os').system('true')", "cannot be read without running it"),
        ("_base_ = '{0.__class__}'.format('a')", "cannot be read without running it"),
        ("_base_ = '{:>999999999}'.format('a')", "cannot be read without running it"),
        ("_base_ = 'a' * 10**12", "cannot be read without running it"),
        ("_base_ = os.path.join(1)", r"\(TypeError: .*write the paths out"),
        ("_base_ = './gone.py'", r"model config c\.py: it inherits from gone\.py, which does not exist"),
        ("_base_ = './bad.py'", r"model config bad\.py: cannot be read as Python"),
        (
            "with read_base():\n    from .sub.gone import *",
            r"c\.py: it inherits from sub/gone\.py, which does not exist",
        ),
        ("with read_base():\n    import a", r"c\.py: 'import a' in read_base\(\); mmengine takes only `from"),
        ("with read_base():\n    from . import a", r"'from \. import a' in read_base\(\)"),
    ],
)
def test_what_cannot_be_followed_is_one_message(write, text, message):
    write({"a.py": "x = 1\n", "bad.py": "x = (\n", "c.py": text + "\n"})
    with pytest.raises(UserError, match=message) as error:
        config_files("c.py")
    assert "\n" not in str(error.value)


def test_pure_python_configs_are_followed(write):
    write(
        {
            "configs/_base_/runtime.py": "scope = None\n",
            "configs/_base_/model.py": "from heads.own import OwnHead\nmodel = dict(type=OwnHead)\n",
            "configs/atss/small.py": (
                "from mmengine.config import read_base\n"
                "with read_base():\n    from .._base_.model import *\n"
                "    from .._base_.runtime import scope\n"
                "from mmdet.datasets import CocoDataset\n"
            ),
            "configs/atss/mine.py": "with read_base():\n    from .small import *\n",
            "heads/__init__.py": "",
            "heads/own.py": "from .parts import part\nimport torch\n",
            "heads/parts.py": "",
            "heads/other.py": "",
        }
    )
    assert config_files("configs/atss/mine.py") == [
        "configs/atss/mine.py",
        "configs/atss/small.py",
        "configs/_base_/model.py",
        "configs/_base_/runtime.py",
        "heads/__init__.py",
        "heads/own.py",
        "heads/parts.py",
    ]


def test_an_absolute_read_base_is_followed_where_it_is_local(write):
    write(
        {"zoo/__init__.py": "", "zoo/a.py": "x = 1\n", "c.py": "with read_base():\n    from zoo.a import *\n"}
    )
    assert config_files("c.py") == ["c.py", "zoo/a.py"]


def test_custom_imports_and_modules_beside_the_config_are_followed(write):
    write(
        {
            "configs/c.py": "import helper\ncustom_imports = dict(imports=['own.head'])\n",
            "configs/helper.py": "import json, tools.sizes\n",
            "own/head.py": "from own import neck\n",
            "own/neck.py": "",
            "tools/sizes.py": "",
        }
    )
    assert config_files("configs/c.py") == [
        "configs/c.py",
        "configs/helper.py",
        "own/head.py",
        "tools/sizes.py",
        "own/neck.py",
    ]


def test_text_files_and_configs_that_are_named_count(write):
    text = "names = open('data/names.txt').read().split()\nteacher = 'teacher.py'\nann = 'data/a.json'\n"
    write(
        {
            "c.py": text,
            "data/names.txt": "car",
            "data/a.json": "{}",
            "t.py": "",
            "teacher.py": "_base_='t.py'",
        }
    )
    assert config_files("c.py") == ["c.py", "teacher.py", "t.py", "data/names.txt"]


def test_json_and_yaml_configs(write):
    custom = {"imports": "own"}
    write(
        {
            "a.json": json.dumps({"_base_": ["./b.yaml"], "custom_imports": custom}),
            "b.yaml": "_base_: ./c.py\n",
            "c.py": "x = 1\n",
            "own.py": "",
            "list.json": "[1]",
            "broken.yaml": "a: [",
            "d.toml": "",
        }
    )
    assert config_files("a.json") == ["a.json", "b.yaml", "c.py", "own.py"]
    with pytest.raises(UserError, match=r"list\.json: it is not a mapping"):
        config_files("list.json")
    with pytest.raises(UserError, match=r"broken\.yaml: cannot be read as JSON or YAML"):
        config_files("broken.yaml")
    with pytest.raises(UserError, match=r"d\.toml: mmengine reads"):
        config_files("d.toml")


def test_modules_and_what_they_import(write, tmp_path, monkeypatch):
    write(
        {
            "heads/__init__.py": "",
            "heads/mine.py": "np.load('sizes.npy')\nfrom .deep.coder import Coder\nfrom ..other import x\n",
            "heads/deep/__init__.py": "import importlib\nimportlib.import_module('.sizes', __name__)\n",
            "heads/deep/coder.py": "def f():\n    from flat import g\n",
            "heads/deep/sizes.py": "",
            "flat.py": "try:\n    import gone\nexcept ImportError:\n    import more\n",
            "more.py": "this is no Python\n",
            "src/far.py": "import flat\nfrom importlib import import_module\nimport_module('last.one')\n",
            "last/one.py": "",
            "sizes.npy": "",
        }
    )
    assert module_files(["heads.mine", "json"]) == [
        "heads/__init__.py",
        "heads/mine.py",
        "heads/deep/__init__.py",
        "heads/deep/coder.py",
        "sizes.npy",
        "heads/deep/sizes.py",
        "flat.py",
        "more.py",
    ]
    with pytest.raises(UserError, match="imports: no module 'hads\\.mine'"):
        module_files(["hads.mine"])
    with pytest.raises(UserError, match="imports: no module 'heads\\.mime'"):
        module_files(["heads.mime"])
    with pytest.raises(UserError, match="no module 'far'"):
        module_files(["far"])
    monkeypatch.setattr("sys.path", [str(tmp_path / "src")])
    assert module_files(["far"]) == ["src/far.py", "flat.py", "last/one.py", "more.py"]


def test_installed_packages_are_left_out(write, tmp_path, monkeypatch):
    write({"env/site-packages/lib/__init__.py": "", "m.py": "import lib\nfrom . import n\n", "n.py": ""})
    monkeypatch.setattr("sys.path", [str(tmp_path / "env/site-packages")])
    assert module_files(["m"]) == ["m.py", "n.py"]


def test_a_changed_file_is_read_again(write):
    write({"a.py": "", "b.py": "", "m.py": "import a\n"})
    assert module_files(["m"]) == ["m.py", "a.py"]
    write({"m.py": "import b \n"})
    assert module_files(["m"]) == ["m.py", "b.py"]
