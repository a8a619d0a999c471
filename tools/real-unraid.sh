#!/bin/bash
# real-unraid.sh SOURCE PREVIOUS NEXT: the plugin under Unraid's own plugin manager and event script, as root.
# SOURCE: the source of one version of Unraid's web interface (github.com/unraid/webgui, e.g. 7.3.3).
# PREVIOUS, NEXT: directories with vfio-watch.plg and its packages of two releases; `npm run package` makes them in dist/.
# Installs the previous release, updates it over the running service, stops the array with pages open, cuts the power,
# boots offline and from a read-only flash stick, removes it, installs it anew. Each boot has mounts and processes of its
# own; this machine's files stay as they are. Slackware's package commands and the downloads are stand-ins.
set -euo pipefail
fail() {
  echo "FAILED: $*" >&2
  exit 1
}
check() {
  local what=$1 said
  shift
  said=$("$@" 2>&1) || fail "$what: $said"
  echo "  ok: $what"
}

if [[ ${1:-} != --boot ]]; then
  [[ $# -eq 3 && $EUID -eq 0 ]] || { sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"; exit 2; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/flash/config/plugins"
  boot() {
    echo "== $1"
    rm -rf "$work/root" && mkdir "$work/root"
    cp -a "$SOURCE/emhttp" "$work/emhttp.new" && mkdir -p "$work/root/usr/local/sbin" && mv "$work/emhttp.new" "$work/root/usr/local/emhttp"
    cp -a "$SOURCE/sbin/emhttp_event" "$work/root/usr/local/sbin/" && chmod +x "$work/root/usr/local/sbin/emhttp_event"
    unshare --mount --pid --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" --boot "$work" "$1" "${2:-}"
  }
  SOURCE=$(realpath "$1"); PREVIOUS=$(realpath "$2"); NEXT=$(realpath "$3")
  NODE=$(readlink -f "$(command -v node)") REAL_CURL=$(command -v curl)
  export SOURCE PREVIOUS NEXT NODE REAL_CURL
  boot install
  boot update
  boot offline
  boot read-only read-only
  boot remove
  boot again
  echo "All of it went well with Unraid ${SOURCE##*/}."
  exit 0
fi

# One boot.
work=$2 step=$3 how=$4 root=$2/root
mount --make-rprivate /
beside() {
  local entry old=$root/.old$1
  mkdir -p "$old" "$root$1"
  mount --bind "$1" "$old"
  for entry in "$old"/* "$old"/.[!.]*; do
    [[ -e $root$1/${entry##*/} || -L $root$1/${entry##*/} ]] || ln -s "$entry" "$root$1/${entry##*/}"
  done
  mount --bind "$root$1" "$1"
}
mkdir -p "$root/etc" "$root/usr/local/etc/rc.d/rc6.d" && ln -s ../usr/local/etc/rc.d "$root/etc/rc.d"
mkdir -p "$root/usr/local/bin" && ln -s "$NODE" "$root/usr/local/bin/node"
beside /usr/local
beside /etc
for directory in run boot var/local var/log var/lib/pkgtools mnt tmp/plugins; do
  mkdir -p "$root/$directory" "/$directory"
  mount --bind "$root/$directory" "/$directory"
done
mount --bind "$work/flash" /boot
[[ $how != read-only ]] || mount -o remount,bind,ro /boot
mkdir -p /var/log/plugins /var/log/libvirt/qemu /var/local/emhttp /etc/libvirt/qemu /mnt/disk1 /run/tools
mount -t tmpfs tmpfs /mnt/disk1
mount -t tmpfs tmpfs /etc/libvirt && mkdir /etc/libvirt/qemu
echo "<domain type='kvm'><name>Windows 11</name><uuid>8c4731f1-a528-8444-bb25-10ff8d967cc3</uuid></domain>" >"/etc/libvirt/qemu/Windows 11.xml"
echo "version=\"${SOURCE##*/}\"" >/etc/unraid-version
ln -sf /usr/local/emhttp/plugins/dynamix /usr/local/emhttp/webGui 2>/dev/null || true

cat >/run/tools/stand-in <<'TOOLS'
#!/bin/bash
lists=/var/lib/pkgtools
case ${0##*/} in
  upgradepkg)
    file=${!#} name=${file##*/} name=${name%.txz} base=${name%-*-*-*}
    tar -tf "$file" >/dev/null || exit 1
    removepkg "$base"
    tar -xpf "$file" -C / --keep-directory-symlink --exclude=./install --exclude='install/*' || exit 1
    (cd / && bash -c "$(tar -xOf "$file" install/doinst.sh)")
    tar -tf "$file" >"$lists/$name"
    ;;
  removepkg)
    for list in "$lists/$1"-*; do
      [[ ${list##*/} =~ ^$1-[^-]*-[^-]*-[^-]*$ ]] || continue
      sort -r "$list" | while read -r path; do
        [[ $path == ./ || $path == install/* ]] && continue
        if [[ $path == */ ]]; then [[ -L /${path%/} ]] || rmdir "/$path" 2>/dev/null; else rm -f "/$path"; fi
      done
      rm -f "$list"
    done
    ;;
  wget | curl)
    for ((at = 1; at <= $#; at++)); do
      next=$((at + 1))
      case ${!at} in -O | -o) target=${!next} ;; http*) url=${!at} ;; esac
    done
    cp "$(cat /run/mirror 2>/dev/null)/${url##*/}" "$target" 2>/dev/null || exit 4
    ;;
  logger)
    while (($# > 0)); do
      [[ $1 == -- ]] && { shift; echo "$*" >>/var/log/syslog; exit 0; }
      shift
    done
    exec cat >>/var/log/syslog
    ;;
esac
exit 0
TOOLS
chmod +x /run/tools/stand-in
for name in upgradepkg removepkg wget curl logger; do ln -s stand-in "/run/tools/$name"; done
mkdir /run/php-ini
cp -- "$(php -r 'echo PHP_CONFIG_FILE_SCAN_DIR;')"/*.ini /run/php-ini/
printf 'short_open_tag=1\nerror_reporting=0\n' >/run/php-ini/zz-unraid.ini
export PHP_INI_SCAN_DIR=/run/php-ini PATH=/run/tools:/usr/local/sbin:$PATH
plugin() { php /usr/local/emhttp/plugins/dynamix.plugin.manager/scripts/plugin "$@"; }
URL=https://github.com/vfio-watch/vfio-watch/releases/latest/download/vfio-watch.plg
rc=/etc/rc.d/rc.vfio-watch
flash=/boot/config/plugins/vfio-watch
version() { sed -n 's/^<!ENTITY version *"\(.*\)">/\1/p' "$1"; }
is_installed() { [[ $(version /boot/config/plugins/vfio-watch.plg) == "$(version "$1/vfio-watch.plg")" && -L /var/log/plugins/vfio-watch.plg ]]; }
runs() { "$rc" status; }
no_error() { [[ ! -e /boot/config/plugins-error/vfio-watch.plg ]]; }

# As rc.local does it.
for definition in /boot/config/plugins/*.plg; do
  [[ -e $definition ]] || continue
  plugin install "$definition" 2>&1 | sed 's/^/  | /'
done
: >/var/local/emhttp/var.ini

# What Unraid runs and does when the array is stopped, while people look at the pages.
stop_the_array() {
  local port=$((20000 + RANDOM % 20000)) server page pages=() event began
  PHP_CLI_SERVER_WORKERS=8 php -S "127.0.0.1:$port" -t /usr/local/emhttp >/dev/null 2>&1 &
  server=$!
  sleep 1
  for page in tools.php "answer.php?vm=8c4731f1-a528-8444-bb25-10ff8d967cc3&ago=1" marks.php tile-now.php tools.php; do
    "$REAL_CURL" -s -o "/run/page.${#pages[@]}" "http://127.0.0.1:$port/plugins/vfio-watch/include/$page" &
    pages+=($!)
  done
  sleep 0.3
  for event in stopping stopping_libvirt stopping_docker stopping_svcs; do
    began=$EPOCHREALTIME
    [[ -z $(emhttp_event "$event" 2>&1) ]] || fail "$event prints something"
    echo "  $event: $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms"
  done
  check "libvirt's image is unmounted with pages open" umount /etc/libvirt
  check "the disk is unmounted with pages open" umount /mnt/disk1
  for event in unmounting_disks stopping_array stopped; do emhttp_event "$event"; done
  for page in "${pages[@]}"; do wait "$page" || fail "a page gave no answer"; done
  check "the pages have answered" grep -q vfio-watch-page /run/page.0
  kill "$server"
}

case $step in
  install)
    echo "$PREVIOUS" >/run/mirror
    plugin install "$URL" 2>&1 | sed 's/^/  | /'
    check "the previous release is installed" is_installed "$PREVIOUS"
    check "it runs" runs
    ;;
  update)
    check "the previous release runs after a power cut" runs
    before=$(cat /var/run/vfio-watch.pid)
    echo "$NEXT" >/run/mirror
    plugin check vfio-watch.plg 2>&1 | sed 's/^/  | /'
    plugin update vfio-watch.plg 2>&1 | sed 's/^/  | /'
    check "the new release is installed" is_installed "$NEXT"
    check "it runs" runs
    check "the old one has ended" test ! -d "/proc/$before"
    packages=("$flash"/vfio-watch-[0-9]*.txz)
    check "one package lies on the flash stick" test "${#packages[@]}" = 1
    stop_the_array
    check "it runs on: nothing of it was on the array" runs
    mount -t tmpfs tmpfs /mnt/disk1 && mkdir /mnt/disk1/vfio
    mount -t tmpfs tmpfs /etc/libvirt
    echo 'DATABASE="/mnt/disk1/vfio/history.db"' >"$flash/vfio-watch.cfg"
    "$rc" restart | sed 's/^/  | /'
    check "the history is on the array" test -s /mnt/disk1/vfio/history.db
    stop_the_array
    rm "$flash/vfio-watch.cfg"
    ;;
  offline | read-only)
    check "Unraid has not taken it away" no_error
    check "it is installed" is_installed "$NEXT"
    check "it runs" runs
    [[ $step == offline ]] || { vfio-watch status || true; } 2>&1 | sed 's/^/  | /'
    ;;
  remove)
    check "it runs again" runs
    plugin remove vfio-watch.plg 2>&1 | sed 's/^/  | /'
    check "no process is left" test -z "$(pgrep -x vfio-watch)"
    left=$(find /usr/local/ /etc/rc.d/ /run /var/local /var/log -path /run/tools -prune -o -path '*/.old*' -prune -o -name '*vfio-watch*' -print 2>/dev/null)
    check "nothing of it is left but its history: $left" test -z "$left"
    check "the history is kept" test -s "$flash/history.db"
    ;;
  again)
    echo "$NEXT" >/run/mirror
    plugin install "$URL" 2>&1 | sed 's/^/  | /'
    check "it is installed" is_installed "$NEXT"
    check "it runs" runs
    check "it knows the boots of before" test "$(vfio-watch boots --json | grep -c '"id"')" -ge 1
    ;;
esac
"$rc" stop >/dev/null 2>&1 || true
