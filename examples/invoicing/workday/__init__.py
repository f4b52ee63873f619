"""A day of work in the example, played over HTTP against a real server."""
