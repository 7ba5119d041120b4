"""One file a question. `registry.py` lists them in the order in which they are asked."""
