"""Check whether a file is an ONNX file, and find the files next to it that hold its tensors.

This is fast and imports ONNX only if it is needed, because every plan does it.
"""

import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cutpoint.errors import UserError
from cutpoint.files import START_BYTES, is_text, name_substitute

if TYPE_CHECKING:
    import onnx

# the key under which a tensor names the file that holds it
LOCATION = b"location"
# the most that protobuf holds
LARGEST = 2**31
LONGEST_NAME = 200


def check_onnx_file(path: str | Path) -> None:
    """Check a file as far as possible without reading its graph.

    Raises:
        UserError: it is not an ONNX file, or a file that holds its tensors is missing or not in its folder.
    """
    found = _name_other_kind(path)
    if found:
        raise UserError(f"{path}: not an ONNX file that can be read: {found}")
    for file in external_data_files(path):
        wrong = _name_wrong_place(Path(path).parent, file)
        if wrong:
            shown = (file if file.isprintable() else repr(file))[:LONGEST_NAME]
            raise UserError(f"{path}: not an ONNX file that can be read: its tensors lie in {shown}, {wrong}")


def _name_wrong_place(folder: Path, file: str) -> str | None:
    """Why a file with tensors is not read."""
    together = "export it again, with its tensors in a file beside it"
    inside = os.path.relpath(file, folder)
    if not file.isprintable() or inside in (".", "..") or inside.startswith(f"..{os.sep}"):
        return f"which is not in its folder; {together}"
    try:
        if os.path.realpath(file) != os.path.join(os.path.realpath(folder), os.path.normpath(inside)):
            return "which is a link, or lies behind one; put the file itself there"
        kind = os.stat(file).st_mode
    except FileNotFoundError:
        return "which does not exist; the exporter wrote both, put it there"
    except OSError as error:
        return f"which cannot be read ({error.strerror}); {together}"
    return None if stat.S_ISREG(kind) else f"which is no file; {together}"


def _name_other_kind(path: str | Path) -> str | None:
    try:
        with open(path, "rb") as file:
            start = file.read(START_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        return error.strerror
    substitute = name_substitute(start)
    if substitute:
        return substitute
    if start.startswith(b"PK\x03\x04"):
        return "it is a zip archive, as PyTorch's checkpoints are; export the model to ONNX"
    if size > LARGEST:
        return f"it has {size / 2**30:.1f} GiB, and an ONNX file has at most 2; put its tensors beside it"
    return "it is text" if is_text(start) else None


def external_data_files(path: str | Path) -> list[str]:
    """The paths of the files that hold tensors of an ONNX file, each once. They need not exist.

    Tensors are not loaded, and ONNX is imported only for a file that names another one. For a file that is
    not ONNX the list is empty.
    """
    with open(path, "rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if content.find(LOCATION) < 0:
                    return []
        except ValueError:  # an empty file cannot be mapped
            return []
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return []
    found = (
        entry.value
        for tensor in tensors_of(model)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    )
    return [str(Path(path).parent / location) for location in dict.fromkeys(found)]


def tensors_of(model: "onnx.ModelProto") -> Iterator["onnx.TensorProto"]:
    """All tensors of a file: of its graph, of graphs inside nodes, and of functions."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: "onnx.GraphProto") -> Iterator["onnx.TensorProto"]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: "Iterable[onnx.NodeProto]") -> Iterator["onnx.TensorProto"]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _of_graph(graph)


def nodes_of(nodes: "Iterable[onnx.NodeProto]") -> Iterator["onnx.NodeProto"]:
    """The nodes, and those of the graphs inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from nodes_of(graph.node)
