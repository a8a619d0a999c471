<?php
/*
 * Why the newest start of a VM failed, as JSON, for Unraid's own message about it: `vm` is its UUID, `ago` how many
 * milliseconds ago the start was asked for, which needs no two clocks that agree. Only reads; waits for the diagnosis.
 */
require_once __DIR__ . '/service.php';

/** Milliseconds that the service may take to know why. */
const VFIO_WATCH_WAIT = 8000;
/** Milliseconds; what the browser counts is a little less than what has passed. */
const VFIO_WATCH_SLACK = 1000;

header('Content-Type: application/json');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');

$vm = (string) filter_input(INPUT_GET, 'vm');
$ago = filter_input(INPUT_GET, 'ago', FILTER_VALIDATE_INT, ['options' => ['min_range' => 0, 'max_range' => 600000]]);
if (!preg_match('/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iD', $vm) || !is_int($ago)) {
    http_response_code(400);
    exit('{"state":"none"}');
}
if (vfio_watch_overview()['service'] === 'off') {
    exit('{"state":"off"}');
}
$since = max(0, (int) ($_SERVER['REQUEST_TIME_FLOAT'] * 1000) - $ago - VFIO_WATCH_SLACK);
$asked = ['ask' => 'start', 'vm' => $vm, 'since' => $since, 'waitMs' => VFIO_WATCH_WAIT];
$told = vfio_watch_ask($asked, VFIO_WATCH_WAIT / 1000 + 2);
$explained = $told['explained'] ?? null;
if (!is_array($explained)) {
    exit('{"state":"none"}');
}
foreach (['why', 'remedies', 'changes'] as $part) {
    $explained[$part] = is_array($explained[$part] ?? null)
        ? array_values(array_map(vfio_watch_sentence(...), $explained[$part]))
        : vfio_watch_sentence($explained[$part] ?? null);
}
$explained['lastGood'] = isset($explained['lastGoodAt']) ? vfio_watch_time($explained['lastGoodAt']) : '';
echo json_encode(['state' => 'failed', 'number' => $told['number'] ?? 0] + $explained, JSON_INVALID_UTF8_SUBSTITUTE);
