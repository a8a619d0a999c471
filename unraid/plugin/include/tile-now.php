<?php
/* What changes in the tile of the Dashboard, as JSON with three pieces of HTML. Only reads files: it is asked for again and again. */
require_once __DIR__ . '/tile.php';

header('Content-Type: application/json');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');
echo json_encode(vfio_watch_tile(), JSON_INVALID_UTF8_SUBSTITUTE);
