// Package installed tests the Debian package as a user meets it: on Debian 12 machines that boot systemd, in containers of
// systemd-nspawn that see each other and nothing else. It needs Linux, root, mmdebstrap, systemd-container and iproute2, and
// takes minutes, so it runs only with RUNNEL_MACHINES=1.
//
// With RUNNEL_PACKAGES it tests the packages in that directory too, as make packages builds them for other processors and
// systems. That needs proot, qemu-user, rpm and cpio.
package installed
