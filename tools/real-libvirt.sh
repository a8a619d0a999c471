#!/bin/sh
# Brings libvirtd and QEMU from Debian's (or Ubuntu's) packages, for test/real-libvirt.
# Run as root, as often as you like: what is there already is left alone. Starts no service.
set -eu

missing=""
command -v libvirtd >/dev/null 2>&1 || missing="$missing libvirt-daemon"
command -v virsh >/dev/null 2>&1 || missing="$missing libvirt-clients"
command -v qemu-system-x86_64 >/dev/null 2>&1 || missing="$missing qemu-system-x86"
# The QEMU driver is a package of its own; its place carries the multiarch name.
ls /usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so >/dev/null 2>&1 ||
  missing="$missing libvirt-daemon-driver-qemu"

# The QEMU driver does not start without this user, even where QEMU is to run as another. The package that makes
# it (libvirt-daemon-system) would bring services along.
user_missing=""
getent passwd libvirt-qemu >/dev/null 2>&1 || user_missing=yes

if [ -z "$missing$user_missing" ]; then
  echo "real-libvirt: $(libvirtd --version) and $(qemu-system-x86_64 --version | head -n 1) are installed"
  exit 0
fi
if [ -n "$missing" ] && ! command -v apt-get >/dev/null 2>&1; then
  echo "real-libvirt: this host has no apt-get; install$missing by its own means" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "real-libvirt: installing${missing:- the user libvirt-qemu} needs root; run: sudo $0" >&2
  exit 1
fi

if [ -n "$missing" ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  # shellcheck disable=SC2086 # a list of package names
  apt-get install -q -y --no-install-recommends $missing
  echo "real-libvirt: installed$missing"
fi
if [ -n "$user_missing" ]; then
  getent group kvm >/dev/null 2>&1 || groupadd --system kvm
  getent group libvirt-qemu >/dev/null 2>&1 || groupadd --system libvirt-qemu
  useradd --system --gid libvirt-qemu --groups kvm --no-create-home --home-dir /var/lib/libvirt \
    --shell /usr/sbin/nologin libvirt-qemu
  echo "real-libvirt: made the user libvirt-qemu"
fi
