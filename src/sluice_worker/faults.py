"""How exceptions of users' code are told to the server."""

import os
import sys
import traceback

_OWN = os.path.dirname(os.path.abspath(__file__))


def frames_of(error):
    """The traceback below our own code, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if os.path.dirname(os.path.abspath(frame.filename)) != _OWN]
    return theirs or list(frames)


def free_memory(error):
    """What ran out of memory still holds it; it must go before anything can be told."""
    if isinstance(error, MemoryError):
        traceback.clear_frames(error.__traceback__)


def printed(value):
    """Its text; what cannot be printed is named by its class."""
    try:
        return str(value)
    except BaseException:
        return "<%s that cannot be printed>" % type(value).__name__


def of_request(error, doing=""):
    """What a caller is told of a call that failed."""
    free_memory(error)
    return "Error [%s] processing request: %s%s" % (printed(type(error)), doing, printed(error))


def describe(error):
    """Class, message and places, as the original prints them."""
    free_memory(error)
    lines = ["%s: %s" % (type(error).__name__, printed(error)), "", "At:"]
    lines += ["  %s(%s): %s" % (frame.filename, frame.lineno, frame.name) for frame in reversed(frames_of(error))]
    return "\n".join(lines) + "\n"


def full(error):
    """The whole traceback for a log."""
    free_memory(error)
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def explain_import(error):
    """What failed at a load; a missing module is named together with the interpreter that misses it."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return "module '%s' is not installed for the Python interpreter %s (%s)\n%s" % (
            error.name, sys.executable, sys.version.split()[0], describe(error))
    if isinstance(error, ImportError) and error.name == "clearml":
        hint = getattr(sys.modules.get("clearml"), "HINT", None)
        return describe(error) if hint is None else "%s\n%s" % (hint, describe(error))
    return describe(error)
