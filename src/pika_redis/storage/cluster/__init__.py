"""Entries in a cluster: key, tags, epoch, claim and lock of one entry lie on different nodes."""
