"""The networks: BSRNN, what all models share, and the earlier systems that it is held against."""
