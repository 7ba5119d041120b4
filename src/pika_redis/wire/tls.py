"""TLS as the address asks for it: certificate and host name checked, at least version 1.2, never a fall-back."""

from __future__ import annotations

import ssl

from ..errors import ConfigurationError
from .address import TlsFiles

__all__ = ["tls_context"]


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """A client context. Raises ConfigurationError for a file that can't be read or is no certificate or key."""
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not files.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if files.cert_file is not None:
            context.load_cert_chain(files.cert_file, files.key_file)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(name for name in (files.ca_file, files.cert_file, files.key_file) if name)
        raise ConfigurationError(f"TLS can't be set up from {names}: {error}") from error
    return context
