#!/bin/bash
# Installs the .deb on a fresh Debian under a real systemd, and shows what an owner would see: installation, a test mail, a
# failing start told by mail, an upgrade, a service that its owner has disabled, removal, purge.
#
#   npm run package && sudo tools/real-debian.sh bookworm [dist/vfio-watch_*_amd64.deb [NEWER.deb]]
#
# Needs root, mmdebstrap and systemd-container; the tree is made once in ${TMPDIR:-/tmp} and used again. HOST_NODE names
# a Node (18, 20, 24 …) that the host is to have already, as /usr/bin/node; without it the host has none.
set -euo pipefail
here=$(dirname "$(dirname "$(readlink -f "$0")")")
suite=${1:?which Debian: bookworm or trixie}
built=("$here"/dist/vfio-watch_*_amd64.deb)
package=$(readlink -f "${2:-${built[-1]}}")
newer=$(readlink -f "${3:-$package}")
root=${TMPDIR:-/tmp}/vfio-watch-$suite

[ -d "$root" ] || mmdebstrap --variant=minbase \
  --include=systemd,systemd-sysv,dbus,init-system-helpers,postfix "$suite" "$root"
cp "$package" "$root/root/first.deb"
cp "$newer" "$root/root/second.deb"
rm -rf "$root/root/result" "$root/var/mail/root" "$root/usr/bin/node" "$root/var/log/libvirt"
[ -z "${HOST_NODE:-}" ] || cp "$HOST_NODE" "$root/usr/bin/node"
cat >"$root/root/inside.sh" <<'INSIDE'
#!/bin/bash
exec >/root/result 2>&1
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
step() { echo "== $*"; }
until_true() {
  for _ in $(seq 60); do "${@:2}" >/dev/null 2>&1 && return 0; sleep 1; done
  echo "FAILED: $1 never came"
}
node --version 2>/dev/null || echo "there is no Node on this host"
postconf -e inet_interfaces=loopback-only "mydestination=localhost,$(hostname)"
systemctl restart postfix

step installation
apt-get install -y /root/first.deb 2>&1 | tail -n 2
until_true "the service" systemctl is-active -q vfio-watch
systemctl is-active vfio-watch
systemctl is-enabled vfio-watch
vfio-watch --version
readlink "/proc/$(systemctl show -P MainPID vfio-watch)/exe"

step a test mail
mkdir -p /etc/vfio-watch /var/log/libvirt/qemu
printf 'NOTIFY_MAIL=yes\nMAIL_TO=root@localhost\nSETTLING_SECONDS=5\n' >/etc/vfio-watch/vfio-watch.cfg
systemctl reload vfio-watch || echo "FAILED: reload"
sleep 2
vfio-watch alerts test mail

step a failing start
now=$(date -u '+%Y-%m-%d %H:%M:%S.000+0000')
device='-device {"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0"}'
{
  echo "$now: starting up libvirt version: 11.3.0, qemu version: 10.0.13, kernel: 6.12.107, hostname: debian"
  printf '%s \\\n' "/usr/bin/qemu-system-x86_64" "-name 'guest=Windows 11,debug-threads=on'"
  echo "${device/-device /-device \'}'"
  echo "$(date -u '+%Y-%m-%dT%H:%M:%S.000000Z') qemu-system-x86_64: $device: vfio 0000:01:00.0: failed to setup container for group 14: Failed to set group container: Invalid argument"
  echo "$now: shutting down, reason=failed"
} >"/var/log/libvirt/qemu/Windows 11.log"
until_true "the alert by mail" grep -q "^Subject:.*Windows 11" /var/mail/root
grep -m 1 "^Subject:.*Windows 11" /var/mail/root
vfio-watch starts

step an upgrade
apt-get install -y --reinstall /root/second.deb 2>&1 | tail -n 1
until_true "the service" systemctl is-active -q vfio-watch
systemctl is-active vfio-watch
vfio-watch starts
journalctl -u vfio-watch -p err --no-pager

step what its owner disabled stays disabled
systemctl disable -q vfio-watch
apt-get install -y --reinstall /root/second.deb >/dev/null 2>&1
systemctl is-enabled vfio-watch

step removal
apt-get remove -y vfio-watch 2>&1 | tail -n 1
systemctl is-active vfio-watch
ls /var/lib/vfio-watch

step purge
apt-get purge -y vfio-watch >/dev/null 2>&1
for left in /var/lib/vfio-watch /etc/vfio-watch /usr/lib/vfio-watch /run/vfio-watch; do
  [ ! -e "$left" ] || echo "FAILED: $left is left"
done
echo done
INSIDE
cat >"$root/etc/systemd/system/inside.service" <<'UNIT'
[Unit]
After=multi-user.target postfix.service
[Service]
Type=oneshot
ExecStart=/bin/bash /root/inside.sh
ExecStartPost=/bin/systemctl poweroff
UNIT
ln -sf /etc/systemd/system/inside.service "$root/etc/systemd/system/multi-user.target.wants/inside.service"
timeout 600 systemd-nspawn --directory="$root" --register=no --keep-unit --private-network --capability=all --boot \
  >"$root.log" 2>&1 || true
cat "$root/root/result"
grep -q "^done$" "$root/root/result" && ! grep -q "^FAILED" "$root/root/result"
