<?php
/* What stands at each VM on the VMs tab, as JSON. Only reads. */
require_once __DIR__ . '/overview.php';

header('Content-Type: application/json');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');

['service' => $service, 'overview' => $overview] = vfio_watch_overview();
$marks = [];
foreach ($overview['vms'] ?? [] as $vm) {
    $failed = $vm['failed'] ?? null;
    $marks[] = [
        'uuid' => vfio_watch_text($vm['uuid'] ?? null),
        'verdict' => vfio_watch_text($vm['verdict'] ?? null),
        'word' => vfio_watch_text($vm['word'] ?? null),
        'why' => vfio_watch_sentence($vm['why'] ?? null),
        'todo' => vfio_watch_sentence($vm['todo'] ?? null),
        'start' => is_int($failed['number'] ?? null) ? $failed['number'] : null,
        'failedAt' => is_array($failed) ? vfio_watch_time($failed['at'] ?? null) : '',
    ];
}
echo json_encode(['service' => $service, 'vms' => $marks], JSON_INVALID_UTF8_SUBSTITUTE);
