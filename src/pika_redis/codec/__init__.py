"""Codec: values <-> payload bytes, and the entry around them. Knows no network.

`Codec` is the face. Below it, `packer` and `unpacker` speak the format that `layout` numbers, `models` takes classes
apart and rebuilds them, `rows` packs lists of tuples, `shape` bounds what a payload may hold, `explain` finds the path
of what can't be held. `envelope` is the header of an entry on the server.
"""

from .codec import Codec
from .limits import Limits
from .models import ModelRegistry
from .serializer import Serializer
from .undecodable import Undecodable

__all__ = ["Codec", "Limits", "ModelRegistry", "Serializer", "Undecodable"]
