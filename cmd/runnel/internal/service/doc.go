// Package service is how a node that runs as a service and its service manager talk to each other: the states that systemd
// wants to know (sd_notify(3)), and the outcome of a reload by SIGHUP.
package service
