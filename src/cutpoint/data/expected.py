"""What a download must be: its hash, as far as it is known, and its size."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cutpoint.files import START_BYTES, name_substitute


@dataclass(frozen=True)
class Expected:
    """The content that a row of ``data/sources.tsv`` names.

    Attributes:
        sha256: hexadecimal, the first 8 to 64 digits.
        size: bytes; null if unknown.
    """

    sha256: str
    size: int | None

    def lacks_bytes(self, path: Path) -> bool:
        """Whether the file is shorter than it must be."""
        return self.size is not None and length(path) < self.size

    def find_difference(self, path: Path) -> str | None:
        """What tells that a file is another one; null if it is the expected one."""
        found = length(path)
        with path.open("rb") as file:
            substitute = name_substitute(file.read(START_BYTES)) if found else None
            hint = f" ({substitute})" if substitute else ""
            if self.lacks_bytes(path):
                return f"{found} of {self.size} bytes arrived{hint}"
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self.size in (None, found) and digest.startswith(self.sha256):
            return None
        return (
            f"not the expected content: {found} bytes with sha256 {digest}, expected "
            f"{'any number of' if self.size is None else self.size} bytes with sha256 {self.sha256}{hint}"
        )


def length(path: Path) -> int:
    """The bytes of a file; 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0
