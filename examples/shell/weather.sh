#!/bin/sh
# The shell example: offers a procedure, subscribes to a topic, publishes a reading and calls the procedure.
#
#     sh weather.sh [URL]
set -eu
[ $# -eq 0 ] || export RUNNEL_URL="$1"

# A program implements the procedure: it gets the arguments of the call and prints the result.
runnel reg com.example.shell.to_fahrenheit --exec awk 'BEGIN { print ARGV[1] * 9 / 5 + 32 }' 2>/dev/null &
procedure=$!
events=$(mktemp)
runnel sub com.example.weather -n 1 --timeout 20s >"$events" 2>/dev/null &
subscriber=$!
trap 'kill $procedure $subscriber 2>/dev/null || true; rm -f "$events"' EXIT

# Publish until the subscriber has received an event: it may still be connecting.
while kill -0 $subscriber 2>/dev/null; do
	runnel pub com.example.weather 21.5 --ack
	sleep 0.2
done
echo "event $(cat "$events")"

# Call until the procedure is registered.
until result=$(runnel call com.example.shell.to_fahrenheit 21.5 2>/dev/null); do
	sleep 0.2
done
echo "result $result"
