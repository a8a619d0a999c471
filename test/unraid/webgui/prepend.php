<?php
/* Before every script, as on Unraid; the extension that this machine's PHP does not have comes first. */
require_once __DIR__ . '/libvirt.php';
require_once '/usr/local/emhttp/webGui/include/local_prepend.php';
