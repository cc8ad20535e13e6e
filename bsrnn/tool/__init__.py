"""The command `bsrnn separate`, model cards and publishing, and the import of published models."""
