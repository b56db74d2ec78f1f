"""Imports users' code."""

import importlib.util
import os
import sys

SHIMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shims")


def add_folder(folder):
    """Lets modules of a folder be imported: after the libraries, so that no file there hides one, as in the originals; before the shims."""
    if folder not in sys.path:
        sys.path.insert(sys.path.index(SHIMS) if SHIMS in sys.path else len(sys.path), folder)


def import_file(path, name, folder=None):
    """Imports a file; `folder` makes a package of it, whose modules find each other by relative imports."""
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=None if folder is None else [folder])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
