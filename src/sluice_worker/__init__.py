"""Runs users' Python code beside the server, in a process of its own. Needs the standard library and numpy only."""
