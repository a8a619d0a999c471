<?php
/* The report of a failed start as a download. Only reads. */
require_once __DIR__ . '/program.php';

/** Formats of `vfio-watch report`, with the ending and the type of the file. */
const VFIO_WATCH_FORMATS = [
    'markdown' => ['md', 'text/markdown'],
    'bbcode' => ['bbcode.txt', 'text/plain'],
    'html' => ['html', 'text/html'],
];

$format = (string) filter_input(INPUT_GET, 'format');
$start = filter_input(INPUT_GET, 'start', FILTER_VALIDATE_INT, ['options' => ['min_range' => 1, 'max_range' => 9999999]]);
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');
if (!isset(VFIO_WATCH_FORMATS[$format]) || !is_int($start)) {
    http_response_code(400);
    header('Content-Type: text/plain; charset=utf-8');
    exit("Ask for start=NUMBER and format=markdown, bbcode or html.\n");
}
['output' => $output, 'problem' => $problem] = vfio_watch_run(['report', (string) $start, '--format', $format]);
if ($problem !== '') {
    http_response_code(503);
    header('Content-Type: text/plain; charset=utf-8');
    exit("$problem\n");
}
[$ending, $type] = VFIO_WATCH_FORMATS[$format];
header("Content-Type: $type; charset=utf-8");
header("Content-Disposition: attachment; filename=\"vfio-watch-start-$start.$ending\"");
// A report is a file of its own; whatever is in it gets no say in the web interface.
header('Content-Security-Policy: sandbox');
header('Content-Length: ' . strlen($output));
echo $output;
