"""The values of cross.json as the client has them, and back; js/values.mjs says what the keys that begin with $ mean.

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
    """The value as a program hands it to the client, which itself writes octets into JSON."""
    if isinstance(value, list):
        return [native(item) for item in value]
    if isinstance(value, dict):
        for key, of in value.items():
            if key in _SPECIAL:
                return _SPECIAL[key](of)
        return {key: native(of) for key, of in value.items()}
    return value


def _untyped(value):
    """cbor2 gives a typed array (RFC 8746, tag 64: octets), which JavaScript sends for a Uint8Array, as a CBORTag."""
    if isinstance(value, (list, tuple)):
        return [_untyped(item) for item in value]
    if isinstance(value, dict):
        return {key: _untyped(of) for key, of in value.items()}
    return value.value if getattr(value, "tag", None) == 64 else value


def wrong(args, kwargs, value):
    """Says where a payload is not what the value says, or gives None."""
    for name, got, want in (("args", args, value["args"]), ("kwargs", kwargs, value["kwargs"])):
        got, want = _untyped(got), native(want)
        if not same(got, want):
            return _where(name, got, want)
    return None


def _where(path, got, want):
    """The path to the first difference."""
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
