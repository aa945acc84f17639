"""A kill in the middle of a training, through its progress."""


class KillError(Exception):
    pass


def kill_at(step):
    """A progress callback that raises `KillError` at that step or after it."""

    def progress(what, done, total):
        if done >= step:
            raise KillError

    return progress
