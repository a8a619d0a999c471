#!/bin/bash
# serve.sh ROOT PORT: Unraid's web interface under PHP's own server, in a mount namespace of its own (run under
# `unshare --mount`) in which ROOT's directories stand where Unraid has them. This machine's files stay as they are.
set -euo pipefail
root=$1 port=$2
here=$(dirname -- "${BASH_SOURCE[0]}")
mount --make-rprivate /

# beside DIRECTORY: ROOT's things in it, and what this machine has there as well.
beside() {
  local entry old=$root/.old$1
  mkdir -p "$old" "$root$1"
  mount --bind "$1" "$old"
  for entry in "$old"/* "$old"/.[!.]*; do
    [[ -e $root$1/${entry##*/} || -L $root$1/${entry##*/} ]] || ln -s "$entry" "$root$1/${entry##*/}"
  done
  mount --bind "$root$1" "$1"
}
beside /usr/local
beside /etc
for directory in run boot var/local var/log mnt; do
  mkdir -p "$root/$directory" "/$directory"
  mount --bind "$root/$directory" "/$directory"
done
# Unraid's PHP has no gettext: it defines those functions itself. Its scripts, the notifier too, begin with short tags.
settings=$(php -r 'echo PHP_CONFIG_FILE_SCAN_DIR;')
mkdir -p /run/php-ini
cp -- "$settings"/*.ini /run/php-ini/
rm -f /run/php-ini/*gettext*
echo "short_open_tag=1" >/run/php-ini/unraid.ini
mount --bind /run/php-ini "$settings"
cd /
exec env PHP_CLI_SERVER_WORKERS=4 php -S "127.0.0.1:$port" -t /usr/local/emhttp \
  -d display_errors=0 -d log_errors=1 -d error_log=/run/php-errors \
  -d "auto_prepend_file=$here/prepend.php" "$here/router.php"
