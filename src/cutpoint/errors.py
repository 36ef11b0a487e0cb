"""The one exception that a user's mistake raises."""


class UserError(Exception):
    """Something the user can mend: what is wrong, where, and how to mend it, in one message.

    Scripts and command lines print the message without a traceback and exit with 1.
    """
