"""Bytes to and from a server: connections, handshake, reconnect, retry, scripts. Knows no entries."""
