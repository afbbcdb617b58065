// Package service connects a node with its service manager: the states that systemd expects (sd_notify(3)), and the
// outcome of a reload by SIGHUP.
package service
