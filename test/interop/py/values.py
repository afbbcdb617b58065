"""Converts the values of cross.json to those of the client, and back. js/values.mjs describes the keys that begin with $.

No keyword argument among them may be called f: Twisted's maybeDeferred, through which every handler and endpoint is
called, has one of that name.
"""

import base64
import json
import pathlib

from check import same, show

_lot = json.loads(pathlib.Path(__file__).parent.parent.joinpath("cross.json").read_text())
PEERS, VALUES = _lot["peers"], _lot["values"]

_SPECIAL = {
    "$bytes": base64.b64decode,
    "$typed": base64.b64decode,
    "$zeros": bytes,
    "$repeat": lambda of: of[0] * of[1],
    "$int": int,
}


def native(value):
    """Returns the value as a program passes it to the client, which itself encodes octets in JSON."""
    if isinstance(value, list):
        return [native(item) for item in value]
    if isinstance(value, dict):
        for key, of in value.items():
            if key in _SPECIAL:
                return _SPECIAL[key](of)
        return {key: native(of) for key, of in value.items()}
    return value


def _untyped(value):
    """Converts a CBORTag. cbor2 returns one for a typed array (RFC 8746, tag 64: octets), as JavaScript sends for a Uint8Array."""
    if isinstance(value, (list, tuple)):
        return [_untyped(item) for item in value]
    if isinstance(value, dict):
        return {key: _untyped(of) for key, of in value.items()}
    return value.value if getattr(value, "tag", None) == 64 else value


def wrong(args, kwargs, value):
    """Returns where a payload differs from the value, or None."""
    for name, got, want in (("args", args, value["args"]), ("kwargs", kwargs, value["kwargs"])):
        got, want = _untyped(got), native(want)
        if not same(got, want):
            return _where(name, got, want)
    return None


def _where(path, got, want):
    """Returns the path to the first difference."""
    if isinstance(want, list) and isinstance(got, list) and len(got) == len(want):
        pairs = [("%s[%d]" % (path, i), g, w) for i, (g, w) in enumerate(zip(got, want))]
    elif isinstance(want, dict) and isinstance(got, dict) and got.keys() == want.keys():
        pairs = [("%s.%s" % (path, key), got[key], w) for key, w in want.items()]
    else:
        pairs = []
    for inner, g, w in pairs:
        if not same(g, w):
            return _where(inner, g, w)
    return "%s is %s, not %s" % (path, show(got), show(want))
