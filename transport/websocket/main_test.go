package websocket

import (
	"testing"

	"runnel/test/kit"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }
