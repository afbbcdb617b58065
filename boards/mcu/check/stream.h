/* Checks of the client over a byte stream; part of check.c, compiled with RUNNEL_STREAM=1. */

/* The other end of the simulated board's stream. */
static struct {
	bool refuses, closes, ended;
	unsigned tried, closed, logged;
	uint32_t when; /* time of the last attempt */
} wire;

static bool wire_connect(void *context)
{
	(void)context;
	wire.tried++;
	wire.when = machine.now;
	wire.ended = wire.refuses || wire.closes;
	return !wire.refuses;
}

static bool wire_connected(void *context)
{
	(void)context;
	return !wire.ended || machine.waits > 0;
}

static size_t wire_write(void *context, const uint8_t *octets, size_t size)
{
	size_t i;
	for (i = 0; i < size; i++)
		if (!machine_write(context, octets[i]))
			break;
	return i;
}

static void wire_close(void *context)
{
	(void)context;
	wire.closed++;
	wire.ended = true;
	machine.waits = 0;
}

static void wire_log(void *context, const char *text, size_t size)
{
	(void)context;
	wire.logged += size > 0 && text[0] != 0;
}

static const struct runnel_stream stream = {wire_connect, wire_connected, wire_write, wire_close, wire_log};
static const struct runnel_config over_stream = {.port = &port, .stream = &stream, .authid = "bench", .ticket = "secret"};

/* Advances the clock by later, passes the octets heard to the device, and compares its output with said. */
static void converse(int line, uint32_t later, const char *heard, const char *said)
{
	static uint8_t hears_now[512], want[512];
	size_t n = octets_of(heard, hears_now), size = octets_of(said, want);
	machine.now += later;
	machine.size = 0;
	hears(hears_now, n);
	runnel_poll(&device);
	runnel_poll(&device);
	CHECK(machine.size == size && memcmp(machine.said, want, size) == 0, "line %d: %u octets were said, not %u", line, (unsigned)machine.size,
		(unsigned)size);
}

#define CONVERSE(later, heard, said) converse(__LINE__, later, heard, said)

static void start_stream(void)
{
	reset();
	memset(&wire, 0, sizeof wire);
	runnel_init(&device, &over_stream);
	CONVERSE(0, "", "7f 33 00 00");
}

/* The messages of a session, octet by octet. */
static const char hello[] = "00 00 00 5c 98 03 01 66 7265616c6d31 b8 03"
			    "65 726f6c6573 a4 69 7075626c6973686572 a0 6a 73756273637269626572 a0"
			    "66 63616c6c6572 a0 66 63616c6c6565 a0"
			    "66 617574686964 65 62656e6368 6b 617574686d6574686f6473 98 01 66 7469636b6574";
static const char welcome[] = "00 00 00 04 83 02 07 a0";

static void join_stream(void)
{
	start_stream();
	machine.now += 1;
	hears((const uint8_t *)"\x7f\x33\0\0", 4);
	runnel_poll(&device);
	CONVERSE(1, "00 00 00 0a 83 04 66 7469636b6574 a0", "00 00 00 0c 98 03 05 66 736563726574 b8 00");
	CONVERSE(1, welcome, "");
	CHECK(runnel_state(&device) == RUNNEL_JOINED, "the session is not joined");
}

static void check_joining(void)
{
	start_stream();
	CONVERSE(1, "7f 33 00 00", hello);
	join_stream();
	CONVERSE(1, "01 00 00 02 aa bb", "02 00 00 02 aa bb");
	CHECK(wire.tried == 1 && wire.closed == 0, "%u connections, %u closed", wire.tried, wire.closed);
}

/* A router without power does not close the connection: the device sends a PING, and then reconnects. */
static void check_silence(void)
{
	join_stream();
	CONVERSE(KEEPALIVE - 1, "", "");
	CONVERSE(1, "", "01 00 00 00");
	CONVERSE(KEEPALIVE - 1, "02 00 00 00", "");
	CONVERSE(KEEPALIVE, "", "01 00 00 00");
	CHECK(runnel_state(&device) == RUNNEL_JOINED && wire.closed == 0, "a router that answers was given up");
	CONVERSE(KEEPALIVE, "", "");
	CONVERSE(PAUSE_MIN, "", "7f 33 00 00");
	CHECK(wire.tried == 2 && wire.closed == 1, "%u connections, %u closed", wire.tried, wire.closed);
}

/* The pauses between attempts grow, even if the router closes each connection at once. A long session resets them. */
static void check_attempts(bool closes)
{
	static const uint32_t gaps[] = {1000, 3000, 7000, 15000, 31000, 31000, 31000};
	uint32_t last, end;
	unsigned i;
	reset();
	memset(&wire, 0, sizeof wire);
	wire.refuses = !closes;
	wire.closes = closes;
	runnel_init(&device, &over_stream);
	runnel_poll(&device);
	for (i = 0; i < sizeof gaps / sizeof *gaps; i++) {
		last = wire.when;
		for (end = machine.now + 60000; wire.when == last && machine.now != end; machine.now += 100)
			runnel_poll(&device);
		CHECK(wire.when - last == gaps[i], "attempt %u: after %u ms", i, (unsigned)(wire.when - last));
	}
	wire.refuses = wire.closes = false;
	machine.now += 31000;
	runnel_poll(&device);
	hears((const uint8_t *)"\x7f\x33\0\0\0\0\0\x04\x83\x02\x07\xa0", 12);
	runnel_poll(&device);
	runnel_poll(&device);
	CHECK(runnel_state(&device) == RUNNEL_JOINED, "the session is not joined");
	machine.now += STEADY;
	wire.ended = true;
	i = wire.tried;
	runnel_poll(&device);
	machine.now += PAUSE_MIN;
	runnel_poll(&device);
	CHECK(wire.tried == i + 1, "a connection that lasted is not made again soon");
}

static void check_leaving(void)
{
	join_stream();
	runnel_leave(&device);
	runnel_poll(&device);
	CHECK(runnel_state(&device) == RUNNEL_LINKED, "the device is gone before the router has answered");
	CONVERSE(1, "00 00 00 04 83 06 a0 60", "");
	CHECK(runnel_state(&device) == RUNNEL_LEFT && wire.closed == 1, "the device has not left");
	CONVERSE(100000, "", "");
	runnel_join(&device);
	CONVERSE(1, "", "7f 33 00 00");
}

/* Octets that cannot be RawSocket end the connection and delay the next attempt. */
static void check_nonsense(void)
{
	static const char *const heard[] = {"48 54 54 50 2f 31 2e 31 20 34 30 30", "7f 00 00 00", "7f 32 00 00", "7f 33 00 00 03 00 00 00",
		"7f 33 00 00 00 ff ff ff", "7f 33 00 00 00 00 00 01 a0", "7f 33 00 00 00 00 00 00"};
	uint8_t octets[64];
	unsigned i;
	for (i = 0; i < sizeof heard / sizeof *heard; i++) {
		start_stream();
		hears(octets, octets_of(heard[i], octets));
		runnel_poll(&device);
		runnel_poll(&device);
		CHECK(wire.closed == 1 && wire.tried == 1, "\"%s\": %u closed, %u connections", heard[i], wire.closed, wire.tried);
		machine.now += PAUSE_MIN;
		runnel_poll(&device);
		CHECK(wire.tried == 2, "\"%s\": %u connections", heard[i], wire.tried);
	}
}

/* Fuzzes the device with a malicious router and with a network that accepts and delivers any number of octets at a time. */
static void fuzz_stream(unsigned rounds)
{
	static uint8_t octets[4096];
	unsigned i, joined = 0;
	reset();
	memset(&wire, 0, sizeof wire);
	runnel_init(&device, &over_stream);
	runnel_subscribe(&device, "com.example.topic", RUNNEL_WILDCARD, on_message, 0);
	runnel_register(&device, "com.example.procedure", 0, on_message, 0);
	handled = 0;
	for (i = 0; i < rounds && failures <= 20; i++) {
		size_t n, part;
		memset(octets, 0xf6, sizeof octets);
		n = device.phase == CONNECTED ? add_stream(octets) : 0;
		part = random_below((unsigned)n + 1);
		device.pause = 0;
		machine.size = 0;
		machine.allowed = random_below(3) == 0 ? random_below(100) : 4000;
		machine.now += random_below(8) == 0 ? random_below(3000) : random_below(60);
		wire.refuses = random_below(4) == 0;
		if (random_below(500) == 0)
			wire.ended = true;
		hears(octets, part);
		runnel_poll(&device);
		check_invariants(i);
		if (machine.waits == 0)
			hears(octets + part, n - part);
		if (random_below(4) == 0 && runnel_call(&device, "com.example.call", random_below(2), on_message, 0))
			runnel_send(&device);
		if (random_below(4) == 0)
			runnel_log(&device, "a line for the log");
		runnel_poll(&device);
		check_invariants(i);
		joined += runnel_state(&device) == RUNNEL_JOINED;
		if (random_below(2000) == 0)
			runnel_leave(&device);
		if (runnel_state(&device) == RUNNEL_LEFT)
			runnel_join(&device);
	}
	printf("stream: %u rounds, %u connections, %u sessions, %u handled\n", rounds, wire.tried, (unsigned)device.counters.sessions, handled);
	CHECK(device.counters.sessions > rounds / 500 && joined > rounds / 10 && handled > rounds / 100 && wire.logged > 0,
		"the fuzz does not reach far");
}

static void check_stream(unsigned rounds)
{
	check_joining();
	check_silence();
	check_attempts(false);
	check_attempts(true);
	check_leaving();
	check_nonsense();
	fuzz_stream(rounds);
}
