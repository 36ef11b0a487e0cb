"""Our code has nothing that runs what a file says, or writes where an archive says."""

import ast
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
FOLDERS = ("src", "workflow", "tools", "benchmarks", "examples")
# Calls that are refused whatever their arguments are, by the end of their name, and modules.
CALLS = (
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "extractall",
    "joblib.load",
    "yaml.load",
    "yaml.unsafe_load",
)
CALLS += ("yaml.full_load", "__import__", "marshal.loads", "Unpickler")
MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "tarfile")
# The places that are allowed, with the reason.
ALLOWED = {
    # the source of an installed mmdet function with one expression replaced, no text of a user
    ("src/cutpoint/detector/patches.py", "exec"),
}


def refused(tree):
    """The names of calls and imports that can run code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            bare = name.rpartition(".")[2]
            if name in CALLS or (isinstance(node.func, ast.Attribute) and bare in CALLS and bare != "eval"):
                yield name
            elif name == "torch.load" and keywords.get("weights_only") != "True":
                yield "torch.load without weights_only=True"
            elif keywords.get("allow_pickle", "False") != "False":
                yield f"{name} with allow_pickle"
            elif keywords.get("shell", "False") != "False":
                yield f"{name} with shell"
            elif bare == "Environment" and keywords.get("autoescape") != "True":
                yield f"{name} without autoescape"


def as_python(path):
    """The Python in a file. Of a workflow file those lines that are Python alone."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [ast.parse(text)]
    trees = []
    for line in text.splitlines():
        try:
            trees.append(ast.parse(line.strip().rstrip(",")))
        except SyntaxError:
            continue
    return trees


def test_nothing_in_our_code_runs_what_a_file_says():
    files = [
        path for folder in FOLDERS for path in (CLONE / folder).rglob("*") if path.suffix in (".py", ".smk")
    ]
    files.append(CLONE / "Snakefile")
    assert len(files) > 300
    found = {
        (str(path.relative_to(CLONE)), name)
        for path in files
        for tree in as_python(path)
        for name in refused(tree)
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "eval('1')",
        "exec(text)",
        "os.system('true')",
        "import pickle",
        "from pickle import loads",
        "yaml.load(text, Loader=yaml.Loader)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "subprocess.run('true', shell=True)",
        "zipfile.ZipFile(path).extractall(folder)",
        "jinja2.Environment()",
        "Environment(autoescape=False)",
    ],
)
def test_each_such_call_is_seen(code):
    assert list(refused(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["model.eval()", "ast.literal_eval(text)", "yaml.safe_load(text)", "torch.load(p, weights_only=True)"],
)
def test_harmless_calls_are_left_alone(code):
    assert not list(refused(ast.parse(code)))
