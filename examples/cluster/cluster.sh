#!/bin/sh
# A centre that is a cluster, on one machine: three nats-servers, three central routers, and two gateways. It shows an event and a call from
# one gateway to the other, kills a nats-server and a central router, and shows both again. Everything ends with the script.
#
#     sh cluster.sh           ends after the demonstration
#     sh cluster.sh --stay    runs until Ctrl-C; gateway 1 is at tcp://127.0.0.1:8131, gateway 2 at tcp://127.0.0.1:8132
#
# It needs runnel and nats-server 2.2 or later. BASE is the first port; the script uses some of the 32 after it.
set -eu
for program in runnel nats-server; do
	command -v $program >/dev/null || { echo "cluster.sh: $program is not installed or not in PATH" >&2; exit 1; }
done
base=${BASE:-8100}
dir=$(mktemp -d)
pids=
finish() {
	trap - EXIT INT TERM
	kill $pids 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# nats-server N: client port base+N, port for the others base+10+N, JetStream in a directory.
nats() {
	cat >"$dir/nats$1.conf" <<END
server_name: nats$1
listen: "127.0.0.1:$((base + $1))"
jetstream { store_dir: "$dir/nats$1" }
cluster {
  name: example
  listen: "127.0.0.1:$((base + 10 + $1))"
  routes: ["nats-route://127.0.0.1:$((base + 11))", "nats-route://127.0.0.1:$((base + 12))", "nats-route://127.0.0.1:$((base + 13))"]
}
END
	nats-server -c "$dir/nats$1.conf" >"$dir/nats$1.log" 2>&1 &
	pids="$pids $!"
	eval "nats$1=$!"
}

# urls SCHEME OFFSET FIRST: the URLs of three ports, beginning with the FIRST.
urls() {
	list=
	for i in 0 1 2; do
		list="$list, \"$1://127.0.0.1:$((base + $2 + 1 + ($3 - 1 + i) % 3))\""
	done
	echo "[${list#, }]"
}

# router NAME PORT UPLINK URLS IMPORTS: a router with an uplink.
router() {
	cat >"$dir/$1.toml" <<END
version = 1
[node]
id = "$1"
data = "$dir/$1"
[[listen]]
url = "tcp://127.0.0.1:$2"
[[realm]]
name = "realm1"
anonymous = "all"
[[realm.role]]
name = "all"
forward = true
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[uplink]]
name = "$3"
url = $4
  [[uplink.export]]
  topic = "com.example."
  match = "prefix"
  store = "durable"
  [[uplink.import]]
  topic = "com.example."
  match = "prefix"
  ${5:-}
  [[uplink.export]]
  procedure = "com.example."
  match = "prefix"
  [[uplink.import]]
  procedure = "com.example."
  match = "prefix"
END
	runnel run -c "$dir/$1.toml" >"$dir/$1.log" 2>&1 &
	pids="$pids $!"
	eval "$1=$!"
}

echo "starting three nats-servers, three centres and two gateways in $dir"
for n in 1 2 3; do nats $n; done
for n in 1 2 3; do
	router centre$n $((base + 20 + n)) cluster "$(urls nats 0 $n)" 'store = "durable"'
done
for n in 1 2; do
	router gateway$n $((base + 30 + n)) centre "$(urls tcp 20 $n)"
done
one=tcp://127.0.0.1:$((base + 31))
two=tcp://127.0.0.1:$((base + 32))
for url in $one $two; do
	until runnel call wamp.session.count --url "$url" >"$dir/count" 2>&1; do sleep 0.2; done
done

# A procedure at gateway 2, which is called at gateway 1.
runnel reg com.example.to_fahrenheit --url "$two" --exec awk 'BEGIN { print ARGV[1] * 9 / 5 + 32 }' 2>/dev/null &
pids="$pids $!"

# show publishes at gateway 1 until a subscriber at gateway 2 has the event, and calls until the procedure answers.
show() {
	runnel sub com.example.weather -n 1 --timeout 60s --url "$two" >"$dir/event" 2>/dev/null &
	subscriber=$!
	while kill -0 $subscriber 2>/dev/null; do
		runnel pub com.example.weather 21.5 --ack --url "$one" 2>/dev/null || true
		sleep 0.3
	done
	echo "event $(cat "$dir/event")"
	tries=0
	until result=$(runnel call com.example.to_fahrenheit 21.5 --timeout 5s --url "$one" 2>/dev/null); do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { echo "gateway 1 cannot call gateway 2; see the logs in $dir" >&2; cat "$dir"/*.log >&2; exit 1; }
		sleep 0.3
	done
	echo "result $result"
}
show
echo "killing centre 1 and nats-server 1"
kill -9 $centre1 $nats1
show
if [ "${1:-}" = --stay ]; then
	echo "gateways: $one $two; press Ctrl-C to end"
	wait
fi
