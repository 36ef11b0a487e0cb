"""For ``verify: strict``: stop before an export out of tolerance is used."""

from cutpoint.errors import UserError
from cutpoint.records.verification import read_verification


def accept_export(*, verify: str) -> None:
    """Accept an export that passed its verification.

    Args:
        verify: JSON file of ``verify_export``.

    Raises:
        UserError: tensors are out of tolerance.
    """
    verification = read_verification(verify)
    if not verification.passed:
        raise UserError(
            f"{verification.export} is not the detector that it was made from: "
            f"{'; '.join(verification.failures)} ({verify}); set verify: note to use it anyway"
        )
