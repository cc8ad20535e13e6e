"""Errors that a user can act on; the command line prints them in one line, without a traceback."""


class BSRNNError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(BSRNNError, ValueError):
    """A setting that cannot work: an unknown profile, target or band split, widths that do not fill the spectrum."""


class DataError(BSRNNError, ValueError):
    """Audio or a data set that cannot be used: missing, corrupt, lacking a stem, of unequal length or rate."""


class NoSongs(DataError):
    """A split that has no songs, where nothing is wrong with those that are there."""


class MissingResult(BSRNNError, FileNotFoundError):
    """A result that no run has produced yet; the message names the command that produces it."""


class SeveralErrors(BSRNNError):
    """All that is wrong with a command, in ``errors``; its text has a line for each."""

    def __init__(self, errors: list[BSRNNError]):
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors
