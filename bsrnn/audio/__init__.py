"""Audio files in and out, at any rate."""
