<?php
/*
 * Says as JSON what is wrong: with POST in the values of the settings form (Unraid has checked its csrf token before
 * this runs), with GET in the settings in force. Changes nothing.
 */
require_once __DIR__ . '/settings.php';

header('Content-Type: application/json');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');

$isPost = ($_SERVER['REQUEST_METHOD'] ?? '') === 'POST';
$file = $isPost ? vfio_watch_file(vfio_watch_posted($_POST, vfio_watch_stored())) : null;
echo json_encode(vfio_watch_check($file), JSON_INVALID_UTF8_SUBSTITUTE);
