# Reads the output of gcc -fcallgraph-info=su for the client, a program that uses it, and a port layer. Prints the deepest
# stack from main on, in bytes, and the calls that lead to it. The client calls handlers (on_...) and the port layer
# (port_...) through pointers, and the program calls its sensor through a pointer. Only event, or a function that inlines it,
# calls the client's own handler (on_durable). Recursion is an error, because its depth is unknown.

/^node:/ {
	split($0, part, "\"")
	title = part[2]
	if (match(part[4], /[0-9]+ bytes/))
		frame[title] = substr(part[4], RSTART, RLENGTH) + 0
	if (part[4] ~ /dynamic/)
		fail(title " has a stack frame of no fixed size")
	if (title ~ /:on_/ || title ~ /:port_/)
		pointed["src/runnel.c", ++handlers] = title
	if (title ~ /:sensor$/)
		sensor = title
}

/^edge:/ {
	split($0, part, "\"")
	to = part[4]
	if (to == "__indirect_call" && part[2] ~ /^runnel_|^src\/runnel.c/)
		indirect[part[2]] = 1
	else
		edges[part[2], ++count[part[2]]] = to == "__indirect_call" ? sensor_of() : to
}

END {
	if (failed)
		exit 1
	deepest = depth("main", 0)
	print deepest
	for (at = "main"; at != ""; at = way[at])
		printf " %s %d", at, frame[at] > "/dev/stderr"
	printf "\n" > "/dev/stderr"
}

# Reports whether a function of the client may call a handler.
function calls(title, handler) {
	return handler !~ /:on_durable$/ || title ~ /:(event|joined_message|message|step|drain)/
}

function sensor_of() { return "sensor" }

function fail(text) {
	print text > "/dev/stderr"
	failed = 1
	exit 1
}

# Returns the depth from title on, and remembers it.
function depth(title, level,    i, most, d, to) {
	if (title == "sensor")
		title = sensor
	if (title in known)
		return known[title]
	if (level > 40)
		fail("recursion at " title)
	most = 0
	for (i = 1; i <= count[title]; i++)
		most = deeper(title, edges[title, i], level, most)
	if (title in indirect)
		for (i = 1; i <= handlers; i++)
			if (calls(title, pointed["src/runnel.c", i]))
				most = deeper(title, pointed["src/runnel.c", i], level, most)
	return known[title] = frame[title] + most
}

function deeper(title, to, level, most,    d) {
	d = depth(to, level + 1)
	if (d <= most)
		return most
	way[title] = to == "sensor" ? sensor : to
	return d
}
