"""From a city's files to a warehouse, its estimates and its releases."""
