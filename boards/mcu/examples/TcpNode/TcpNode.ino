// A greenhouse node over WiFi, for an ESP32 and similar boards. It publishes a temperature, subscribes to a set-point and
// registers a procedure. The router needs a listener such as tcp://0.0.0.0:8081 and a principal with the authid and the ticket below.
//
// An LM35 or TMP36 at A0 measures the temperature; a relay at pin 26 switches the heating.
//
// For another network library, replace WiFi.h and WiFiClient: WiFiS3.h on an UNO R4, WiFiNINA.h on a MKR WiFi 1010, Ethernet.h
// and EthernetClient with an Ethernet module. With WiFiClientSecure and a listener tls://, the ticket and all data are encrypted.

#include <WiFi.h>
#include <runnel_client.h>

static const char *const network = "your network";
static const char *const password = "its password";

static WiFiClient wifi;
static runnel_client server = {&wifi, "192.168.1.10", 8081}; // the router
static const runnel_port port = RUNNEL_CLIENT_PORT(server);
static runnel_config config;
static runnel router;

static const uint8_t heater = 26;
static int64_t setPoint = 2000; // hundredths of a degree

// Returns hundredths of a degree, for 10 mV per degree and 3.3 V in 4096 steps.
static int32_t temperature() { return (int32_t)(analogRead(A0) * 33000L / 4096); }

static void onSetPoint(runnel *r, runnel_message *m, void *)
{
	if (!runnel_read_fixed(&m->args, 2, &setPoint))
		runnel_log(r, "the set-point must be a number");
}

static void onState(runnel *r, runnel_message *m, void *)
{
	if (!runnel_result(r, &m->invocation))
		return;
	runnel_put_kwargs(r);
	runnel_put_text(r, "temperature");
	runnel_put_fixed(r, temperature(), 2);
	runnel_put_text(r, "set_point");
	runnel_put_fixed(r, (int32_t)setPoint, 2);
	runnel_put_text(r, "heating");
	runnel_put_bool(r, digitalRead(heater) == HIGH);
	runnel_send(r);
}

static void onChange(runnel *, enum runnel_state state, const char *reason, void *)
{
	Serial.print(state == RUNNEL_JOINED ? "joined" : state == RUNNEL_LINKED ? "connected" : "disconnected");
	Serial.print(" ");
	Serial.println(reason ? reason : "");
}

void setup()
{
	pinMode(heater, OUTPUT);
	Serial.begin(115200);
	WiFi.begin(network, password);
	config.port = &port;
	config.stream = &runnel_client_stream;
	config.realm = "realm1";
	config.authid = "greenhouse";
	config.ticket = "change me";
	config.on_change = onChange;
	runnel_init(&router, &config);
	runnel_subscribe(&router, "com.example.greenhouse.set_point", RUNNEL_GET_RETAINED, onSetPoint, 0);
	runnel_register(&router, "com.example.greenhouse.state", 0, onState, 0);
}

void loop()
{
	int32_t now = temperature();
	digitalWrite(heater, now < setPoint ? HIGH : LOW);
	if (runnel_publish(&router, "com.example.greenhouse.temperature", RUNNEL_RETAIN, 0, 0)) {
		runnel_put_fixed(&router, now, 2);
		runnel_send(&router);
	}
	runnel_wait(&router, 1000); // serves the connection: a sketch must not call delay() for long
}
