"""Adapters: one file a library, so that every library is used as its own documentation says, and all in one way."""
