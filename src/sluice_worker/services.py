"""What models may ask of the server beside other models: log lines, metrics, loads."""

import base64
import enum
import numbers

from . import wire
from .calls import CallError
from .errors import TritonModelException, text_of

worker = None  # The process's Worker, set before any model is imported.


class LogLevel(enum.IntEnum):
    """How much a line matters."""

    INFO, WARNING, ERROR, VERBOSE = range(4)


class Logger:
    """Writes to the server's log."""

    LogLevel = LogLevel
    INFO, WARNING, ERROR, VERBOSE = LogLevel

    @staticmethod
    def log(message, level=LogLevel.INFO):
        if not isinstance(level, LogLevel):
            raise TypeError("level must be a LogLevel, not %s" % type(level).__name__)
        if message is None:
            raise TypeError("the message of a log line must be text, not None")
        worker.log(int(level), str(message, "utf-8", "replace") if isinstance(message, (bytes, bytearray)) else str(message))

    @staticmethod
    def log_info(message):
        Logger.log(message, LogLevel.INFO)

    @staticmethod
    def log_warn(message):
        Logger.log(message, LogLevel.WARNING)

    @staticmethod
    def log_error(message):
        Logger.log(message, LogLevel.ERROR)

    @staticmethod
    def log_verbose(message):
        Logger.log(message, LogLevel.VERBOSE)


class MetricFamily:
    """A family of metrics of the model's own, exposed with the server's."""

    COUNTER, GAUGE, HISTOGRAM = range(3)

    def __init__(self, name, description, kind):
        self._name = text_of("name", name)
        self._kind = kind
        _call_metric({"op": "family", "name": self._name, "description": text_of("description", description), "kind": int(kind)})

    def Metric(self, labels=None, buckets=None):
        return Metric(self._name, self._kind, labels or {}, buckets)


class Metric:
    """One series."""

    def __init__(self, family, kind, labels, buckets):
        self._key = {"name": family, "labels": {_label(k): _label(v) for k, v in labels.items()}}
        _call_metric(dict(self._key, op="metric", buckets=None if buckets is None else [float(b) for b in buckets]))

    def increment(self, value):
        _call_metric(dict(self._key, op="increment", value=float(value)))

    def set(self, value):
        _call_metric(dict(self._key, op="set", value=float(value)))

    def observe(self, value):
        _call_metric(dict(self._key, op="observe", value=float(value)))

    def value(self):
        return _call_metric(dict(self._key, op="value"))["value"]


def _label(value):
    return text_of("label", value) if isinstance(value, (bytes, bytearray)) else str(value)


def _call_metric(request):
    return _ask(wire.METRIC_CALL, request)


def _ask(kind, request):
    try:
        return worker.ask(kind, request)
    except CallError as error:
        raise TritonModelException(str(error)) from None


def load_model(model_name, config=None, files=None):
    """Loads a model from the repository, or from a configuration and files."""
    config = text_of("config", config) if isinstance(config, (bytes, bytearray)) else config
    files = {text_of("file", name): base64.b64encode(content).decode("ascii") for name, content in (files or {}).items()}
    _ask(wire.MODEL_CALL, {"op": "load", "name": text_of("model_name", model_name), "config": config, "files": files})


def unload_model(model_name, unload_dependents=False):
    _ask(wire.MODEL_CALL, {"op": "unload", "name": text_of("model_name", model_name), "unload_dependents": bool(unload_dependents)})


def is_model_ready(model_name, model_version=""):
    version = str(int(model_version)) if isinstance(model_version, numbers.Integral) else text_of("model_version", "" if model_version is None else model_version)
    return _ask(wire.MODEL_CALL, {"op": "ready", "name": text_of("model_name", model_name), "version": version})["ready"]
