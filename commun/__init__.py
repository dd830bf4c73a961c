"""Helpers shared by the notebooks of the three projects."""


class UserError(Exception):
    """A mistake that the user can mend.

    Its French message says what is wrong, where, and what to do next. The command line prints it without a
    traceback and exits with code 2.
    """
