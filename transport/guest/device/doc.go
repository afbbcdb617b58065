// Package device gives devices that speak no WAMP a session of their own: devices that print lines of text, and Modbus
// slaves. A Guest joins the realm in the device's place, with the role of its serial line. It publishes the device's
// readings and offers procedures that write to the device. To the router it is a peer like any other, so permissions,
// disclosure, the meta API and limits apply to it.
//
// The port belongs to the caller, which hands each opened port to the guest. The formats are those of
// transport/serial/lines and transport/serial/modbus.
package device
