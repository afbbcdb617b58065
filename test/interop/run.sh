#!/bin/bash
# Real WAMP clients against the real router: npm's autobahn and wampy and Debian's python3-autobahn, over WebSocket and
# RawSocket (TCP and Unix socket), with JSON, MessagePack and CBOR.
#
#   test/interop/run.sh        installs what it needs (as root, on Debian), builds the router, runs everything
#   RUNNEL_BIN=FILE ...        tests that binary instead
#
# Each case prints "ok ..." or "FAIL ..."; the last line is "N passed, M failed".
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
router=
peers=()
passed=0
failed=0
complete=

# Ends what was started here, by its process id, and says how it went: what could not run has failed.
finish() {
	local status=$? pid
	for pid in "${peers[@]}" $router; do
		kill "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
	[ -n "$complete" ] || failed=$((failed + 1))
	echo "$passed passed, $failed failed"
	[ "$status" -ne 0 ] || [ "$failed" -eq 0 ] || status=1
	exit "$status"
}
trap finish EXIT

# Debian's Python: another one on PATH does not see Debian's packages.
python=/usr/bin/python3
# Node 20 has the browser's WebSocket, which autobahn-js uses, behind a flag; later ones take the flag too.
node=(env NODE_NO_WARNINGS=1 "NODE_EXTRA_CA_CERTS=$work/ca.pem" node --experimental-websocket)

install() {
	local missing=() package
	for package in python3-autobahn python3-argon2 python3-cbor2 python3-msgpack; do
		dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
	fi
	# No package needs its install script: what they would compile has a JavaScript twin.
	(cd "$here" && npm ci --ignore-scripts --no-audit --no-fund)
}

build() {
	if [ -z "${RUNNEL_BIN:-}" ]; then
		RUNNEL_BIN=$work/runnel
		(cd "$here/../.." && go build -o "$RUNNEL_BIN" ./cmd/runnel)
	fi
}

# await WHAT PID COMMAND...: waits until COMMAND succeeds, as long as the process lives, at most 60 s.
await() {
	local what=$1 pid=$2 deadline=$((SECONDS + 60))
	shift 2
	until "$@" 2>/dev/null; do
		if ! kill -0 "$pid" 2>/dev/null; then
			echo "$what: ended before it was ready" >&2
			return 1
		fi
		if [ "$SECONDS" -ge "$deadline" ]; then
			echo "$what: not ready in time" >&2
			return 1
		fi
		sleep 0.05
	done
}

listeners=4
listening() { [ "$(grep -c 'msg=listening' "$1")" -eq "$listeners" ]; }

# port LOG N: the port of the Nth listener.
port() { grep 'msg=listening' "$1" | sed -n "$2s/.*url=[a-z]*:\/\/[a-z0-9.]*:\([0-9]*\).*/\1/p"; }

# What a role may do at a URI if it may do everything.
everything='["publish", "subscribe", "call", "register"]'

# passwd FLAGS...: what the configuration needs for the secret of all cases, which they know too.
passwd() { echo "$INTEROP_SECRET" | "$RUNNEL_BIN" passwd "$@"; }

# principals: a realm in which every session must authenticate, each principal by the method that is its name.
principals() {
	cat <<-EOF
		[[realm]]
		name = "guarded"

		[[realm.role]]
		name = "member"
		permission = [{ uri = "", match = "prefix", allow = $everything }]
	EOF
	principal ticket "ticket = \"$INTEROP_SECRET\""
	principal wampcra "wampcra = { secret = \"$INTEROP_SECRET\" }"
	principal salted "$(passwd --wampcra)"
	principal scram "$(passwd --kdf argon2id-13 --iterations 2 --memory 256)"
	principal cryptosign "authorized_keys = [\"$(cat "$work/key.pub")\"]"
	principal tls 'certificate = "door"'
}

principal() { printf '[[realm.principal]]\nauthid = "%s"\nrole = "member"\n%s\n' "$1" "$2"; }

# start_router NAME: sets router, INTEROP_PORT and others like it.
start_router() {
	INTEROP_SOCKET=$work/$1.sock
	cat >"$work/$1.toml" <<-EOF
		version = 1

		[node]
		id = "interop"
		data = "$work/data"

		[limits]
		hello_timeout = "1m"

		[[realm]]
		name = "realm1"
		anonymous = "guest"

		[[realm.role]]
		name = "guest"
		permission = [
		  { uri = "", match = "prefix", allow = $everything },
		  { uri = "com.example.disclosed.", match = "prefix", allow = $everything, disclose = true },
		  { uri = "com.example.forbidden.", match = "prefix", allow = [] },
		]

		[[realm.history]]
		uri = "com.example.history."
		match = "prefix"

		$(principals)

		[[listen]]
		url = "tcp://127.0.0.1:0"

		[[listen]]
		url = "tcp://localhost:0"
		ping_interval = "50ms"

		[[listen]]
		url = "tls://127.0.0.1:0"
		certificate = "router.pem"
		key = "router.pem"
		client_ca = "ca.pem"

		[[listen]]
		url = "unix://$INTEROP_SOCKET"
		mode = "0600"
	EOF
	"$RUNNEL_BIN" run -c "$work/$1.toml" 2>"$work/$1.log" &
	router=$!
	if ! await "router" "$router" listening "$work/$1.log"; then
		tail -n 20 "$work/$1.log" >&2
		return 1
	fi
	INTEROP_PORT=$(port "$work/$1.log" 1)
	INTEROP_PING_PORT=$(port "$work/$1.log" 2)
	INTEROP_TLS_PORT=$(port "$work/$1.log" 3)
	export INTEROP_PORT INTEROP_PING_PORT INTEROP_TLS_PORT INTEROP_SOCKET
}

pass() {
	passed=$((passed + 1))
	echo "ok   $1"
}

fail() {
	failed=$((failed + 1))
	echo "FAIL $1"
}

# count NAME STATUS: adds up what a suite printed to NAME.out. One that did not come to its end has failed.
count() {
	local name=$1 status=$2 ok bad
	ok=$(grep -c '^ok ' "$work/$name.out" || true)
	bad=$(grep -c '^FAIL ' "$work/$name.out" || true)
	passed=$((passed + ok))
	failed=$((failed + bad))
	if ! grep -q '^end ' "$work/$name.out" || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
		fail "$name: ended with status $status before its end"
	fi
	if [ "$status" -ne 0 ]; then
		tail -n 40 "$work/$name.err" >&2
	fi
}

# suite NAME COMMAND...
suite() {
	local name=$1 status=0
	shift
	"$@" 2>"$work/$name.err" | tee "$work/$name.out" || status=$?
	count "$name" "$status"
}

# start_peers NAME COMMAND...: a suite in the background, until it says that it is ready.
start_peers() {
	local name=$1
	shift
	"$@" >"$work/$name.out" 2>"$work/$name.err" &
	peers+=($!)
	await "$name" $! grep -q '^ready' "$work/$name.out" || {
		tail -n 40 "$work/$name.err" >&2
		return 1
	}
}

stop_peers() {
	local pid
	for pid in "${peers[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" || true
	done
	peers=()
}

stop_router() {
	local status=0 deadline=$((SECONDS + 60))
	kill -TERM "$router"
	while kill -0 "$router" 2>/dev/null; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			kill -KILL "$router"
			break
		fi
		sleep 0.05
	done
	wait "$router" || status=$?
	router=
	if [ "$status" -eq 0 ] && [ ! -e "$INTEROP_SOCKET" ]; then
		pass "router $1: ends in good order on SIGTERM and removes its Unix socket"
	else
		fail "router $1: status $status on SIGTERM, $(ls "$INTEROP_SOCKET" 2>/dev/null || echo no socket) left"
		tail -n 20 "$work/$1.log" >&2
	fi
}

# Every client on its own.
single() {
	start_router single
	suite autobahn-js "${node[@]}" "$here/js/suite.mjs" autobahn
	suite wampy "${node[@]}" "$here/js/suite.mjs" wampy
	suite autobahn-python-twisted "$python" "$here/py/suite.py" twisted
	suite autobahn-python-asyncio "$python" "$here/py/suite.py" asyncio
	stop_router single
}

# Every client with every other.
cross() {
	start_router cross
	if start_peers cross-js-peers "${node[@]}" "$here/js/cross.mjs" serve &&
		start_peers cross-python-peers "$python" "$here/py/cross.py" twisted serve; then
		suite cross-js "${node[@]}" "$here/js/cross.mjs" drive
		suite cross-python "$python" "$here/py/cross.py" twisted drive
	else
		fail "cross: its peers did not start"
	fi
	stop_peers
	stop_router cross
}

# The router stops while all clients are connected.
shutdown() {
	start_router shutdown
	if start_peers shutdown-js "${node[@]}" "$here/js/shutdown.mjs" &&
		start_peers shutdown-twisted "$python" "$here/py/shutdown.py" twisted &&
		start_peers shutdown-asyncio "$python" "$here/py/shutdown.py" asyncio; then
		stop_router shutdown
		local name status i=0
		for name in shutdown-js shutdown-twisted shutdown-asyncio; do
			status=0
			wait "${peers[$i]}" || status=$?
			cat "$work/$name.out"
			count "$name" "$status"
			i=$((i + 1))
		done
		peers=()
	else
		fail "shutdown: its peers did not start"
		stop_peers
		stop_router shutdown
	fi
}

# What the cases prove with: the files that certificates.py makes, and a password.
export INTEROP_FILES=$work INTEROP_SECRET=pencil

install
build
"$python" "$here/py/certificates.py" "$work"
single
cross
shutdown
if [ "$failed" -gt 0 ]; then
	echo "what the router said of it:" >&2
	grep -h 'level=WARN\|level=ERROR\|err=' "$work"/*.log | grep -v 'err=EOF' | tail -n 40 >&2 || true
fi
complete=yes
