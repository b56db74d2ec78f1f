"""Errors that models make and meet."""


class TritonModelException(Exception):
    """Raised by the server's side of a call, and by models."""


def text_of(argument, value):
    """What the original's interface takes for text: a `str`, or bytes that are UTF-8, as elements of string tensors are."""
    if isinstance(value, str):
        return value
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError("%s must be str, not %s" % (argument, type(value).__name__))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TritonModelException("%s is not UTF-8: %s" % (argument, error)) from None


class TritonError:
    """An error with one of the server's codes."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, message, code=INTERNAL):
        self._message = text_of("message", message) if isinstance(message, (bytes, bytearray)) else str(message)
        self._code = int(code)

    def message(self):
        return self._message

    def code(self):
        return self._code

    def __str__(self):
        return self._message

    def __repr__(self):
        return "TritonError(%r, %d)" % (self._message, self._code)
