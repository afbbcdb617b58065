// Package installed tests the Debian package as a user meets it: on Debian 12 machines that boot systemd, in containers of
// systemd-nspawn that see each other and nothing else. It needs Linux, root, mmdebstrap, systemd-container and iproute2, and
// takes minutes, so it runs only with RUNNEL_MACHINES=1.
package installed
