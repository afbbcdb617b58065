// A greenhouse node on an Arduino. It publishes a temperature, subscribes to a set-point, registers a procedure and calls
// another one. Connect its USB cable, or TX and RX, to a Runnel router whose serial line has framing = "hdlc", the default.
//
// An LM35 or TMP36 at A1 measures the temperature; a relay at pin 7 switches the heating.

#include <runnel_arduino.h>

static const runnel_port port = RUNNEL_ARDUINO_PORT(Serial);
static runnel_config config;
static runnel router;

static const uint8_t heater = 7;
static int64_t setPoint = 2000; // hundredths of a degree
static int64_t correction = 0;

// Returns hundredths of a degree, for 10 mV per degree and a reference of 5 V.
static int32_t temperature() { return (int32_t)(analogRead(A1) * 50000L / 1024) + (int32_t)correction; }

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

static void onCalibration(runnel *r, runnel_message *m, void *)
{
	if (m->error || !runnel_read_fixed(&m->args, 2, &correction))
		runnel_log(r, "no calibration");
}

static void onChange(runnel *r, enum runnel_state state, const char *, void *)
{
	digitalWrite(LED_BUILTIN, state == RUNNEL_JOINED ? HIGH : LOW);
	if (state == RUNNEL_JOINED && runnel_call(r, "com.example.greenhouse.calibration", 5000, onCalibration, 0)) {
		runnel_put_fixed(r, temperature(), 2);
		runnel_send(r);
	}
}

void setup()
{
	pinMode(heater, OUTPUT);
	pinMode(LED_BUILTIN, OUTPUT);
	Serial.begin(38400);
	config.port = &port;
	config.name = "greenhouse";
	config.t1 = RUNNEL_T1(38400);
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
	runnel_wait(&router, 1000); // serves the line: a sketch must not call delay()
}
