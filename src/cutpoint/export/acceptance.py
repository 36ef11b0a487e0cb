"""``verify: strict``: an export out of tolerance is not used."""

from cutpoint.errors import UserError
from cutpoint.files import read_json


def accept_export(*, verify: str) -> None:
    """Let a verified export pass.

    Args:
        verify: JSON file of ``verify_export``.

    Raises:
        UserError: tensors out of tolerance.
    """
    content = read_json(verify)
    if not content["passed"]:
        raise UserError(
            f"{content['export']} is not the detector that it was made from: "
            f"{'; '.join(content['failures'])} ({verify}); set verify: note to use it all the same"
        )
