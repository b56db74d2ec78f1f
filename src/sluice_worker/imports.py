"""Imports users' code."""

import importlib.machinery
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


def import_model(path, version_folder):
    """Imports a model's code as VERSION.FILE, so that it may import from the files beside it with and without a dot, and from
    the model's folder. Code outside of the version's folder is that of an engine: a plain module beside its own files."""
    if not path.startswith(os.path.join(version_folder, "")):
        add_folder(os.path.dirname(path))
        return import_file(path, os.path.splitext(os.path.basename(path))[0])
    add_folder(version_folder)
    add_folder(os.path.dirname(version_folder))
    package = os.path.basename(version_folder)
    beside = os.path.join(version_folder, "__init__.py")
    if os.path.exists(beside):
        import_file(beside, package, version_folder)
    else:
        spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
        spec.submodule_search_locations.append(version_folder)
        sys.modules[package] = importlib.util.module_from_spec(spec)
    name = "%s.%s" % (package, os.path.splitext(os.path.basename(path))[0])
    # The package may have imported it.
    return sys.modules.get(name) or import_file(path, name)
