package uplink

import (
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// ErrUnsent is the answer of a link to a call that it has not sent, so the router may try another link. Links share it and never
// change it.
var ErrUnsent = func() *client.Error {
	e := client.NewError(wamp.NetworkFailure.Error(), "the link is down")
	var d codec.Builder
	d.Reset(wamp.CBOR, nil)
	d.Bool(wamp.KeyUnsent, true)
	e.Details = d.Dict()
	return e
}()
