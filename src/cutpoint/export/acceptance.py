"""For ``verify: strict``: stop before an export out of tolerance is used."""

from cutpoint.errors import UserError
from cutpoint.records.verification import read_verification


def accept_export(*, verify: str) -> None:
    """Accept an export that passed its verification.

    Args:
        verify: JSON file of ``verify_export`` or ``check_external``.

    Raises:
        UserError: tensors are out of tolerance, or cannot be what the file's layout says.
    """
    verification = read_verification(verify)
    if not verification.passed:
        raise UserError(
            f"{verification.export} failed its verification: {'; '.join(verification.failures)} ({verify}); "
            "set verify: note to use it anyway"
        )
