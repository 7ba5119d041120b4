"""What the user holds: services, the decorator, keys, settings. The layers are put together here."""
