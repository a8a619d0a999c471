<?php
/* What Tools → VFIO Watch shows, as a piece of HTML. Only reads; a page asks for it, so that the page itself is there at once. */
require_once __DIR__ . '/program.php';
require_once __DIR__ . '/times.php';

header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');

$start = filter_input(INPUT_GET, 'start', FILTER_VALIDATE_INT, ['options' => ['min_range' => 1, 'max_range' => 9999999]]);
$arguments = is_int($start) ? ['page', 'tools', '--start', (string) $start] : ['page', 'tools'];
['output' => $output, 'problem' => $problem] = vfio_watch_run($arguments);
if ($problem === '') {
    echo vfio_watch_times($output);
} else {
    echo '<div class="vfio-watch-problem" role="alert"><b>VFIO Watch cannot say anything.</b><pre>', vfio_watch_html($problem), '</pre></div>';
}
