"""A whole training in one call."""

from bsrnn.train import Trainer


def fit(model, source, validate, config, folder):
    """On the CPU, until its end; its progress."""
    return Trainer(model, source, config, folder=folder).run(validate)
