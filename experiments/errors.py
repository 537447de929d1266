"""The one exception that the command line turns into a sentence and exit code 2."""


class UsageError(ValueError):
    """Something given cannot be used; the message is one sentence saying what and what to do.

    Example:
        >>> raise UsageError("No dataset is called 'mnits'; did you mean 'mnist'?")
        Traceback (most recent call last):
        ...
        experiments.errors.UsageError: No dataset is called 'mnits'; did you mean 'mnist'?
    """
