"""Where entries rest: on a server (`remote`), in this process (`memory`), or nowhere (`null`)."""
