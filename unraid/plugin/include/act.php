<?php
/*
 * Does what a button of the pages asks for, of a closed list, and answers as JSON: {"done": bool, "said": text}. Unraid has
 * checked the csrf token of a POST before this runs. With GET it says how far taking in older logs has come, and changes
 * nothing.
 */
// A test waits for its channel, and Unraid's own notifier for every agent.
define('VFIO_WATCH_PATIENCE', 100);
require_once __DIR__ . '/program.php';

const VFIO_WATCH_SERVICE = '/etc/rc.d/rc.vfio-watch';
const VFIO_WATCH_IMPORT_LOG = '/run/vfio-watch/import.log';
const VFIO_WATCH_CHANNELS = ['log', 'unraid', 'mail', 'ntfy', 'webhook', 'mqtt', 'command'];

header('Content-Type: application/json');
header('Cache-Control: no-store');
header('X-Content-Type-Options: nosniff');

$answer = ($_SERVER['REQUEST_METHOD'] ?? '') === 'POST'
    ? vfio_watch_act((string) filter_input(INPUT_POST, 'what'), (string) filter_input(INPUT_POST, 'value'))
    : vfio_watch_import_state();
echo json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE);

/** @return array{done: bool, said: string} */
function vfio_watch_act(string $what, string $value): array
{
    $isIncident = preg_match('/^[0-9a-f]{4,64}$/', $value) === 1;
    switch ($what) {
        case 'acknowledge':
            return $isIncident ? vfio_watch_alerts(['ack', $value], 'No reminders until it is over.') : vfio_watch_unknown();
        case 'silence':
            return $isIncident ? vfio_watch_alerts(['silence', $value, '7d'], 'Silent for a week.') : vfio_watch_unknown();
        case 'test':
            return in_array($value, VFIO_WATCH_CHANNELS, true)
                ? vfio_watch_alerts(['test', $value], 'Sent. It should be there now.')
                : vfio_watch_unknown();
        case 'service':
            return in_array($value, ['start', 'stop', 'restart'], true) ? vfio_watch_service($value) : vfio_watch_unknown();
        case 'import':
            return vfio_watch_import();
        default:
            return vfio_watch_unknown();
    }
}

function vfio_watch_unknown(): array
{
    http_response_code(400);
    return ['done' => false, 'said' => 'Nobody knows how to do that. Reload the page.'];
}

function vfio_watch_alerts(array $arguments, string $done): array
{
    ['errors' => $errors, 'code' => $code, 'problem' => $problem] = vfio_watch_call(VFIO_WATCH_PROGRAM, ['alerts', ...$arguments]);
    return vfio_watch_outcome($problem === '' && $code === 0, $done, $problem !== '' ? $problem : $errors);
}

function vfio_watch_service(string $verb): array
{
    ['output' => $output, 'errors' => $errors, 'code' => $code, 'problem' => $problem] = vfio_watch_call(VFIO_WATCH_SERVICE, [$verb]);
    $said = trim($output) !== '' ? trim($output) : 'Done.';
    return vfio_watch_outcome($problem === '' && $code === 0, $said, $problem !== '' ? $problem : "$errors\n$output");
}

function vfio_watch_outcome(bool $done, string $said, string $problem): array
{
    $why = trim(preg_replace('/^vfio-watch: /m', '', substr($problem, 0, 2000)));
    return ['done' => $done, 'said' => $done ? $said : ($why !== '' ? $why : 'It did not work, and nothing says why.')];
}

/** Begins to take in what the host has; the page asks how it goes. It goes on when the page is closed. */
function vfio_watch_import(): array
{
    $state = vfio_watch_import_state();
    if ($state['running'] ?? false) {
        return $state;
    }
    $program = vfio_watch_path(VFIO_WATCH_PROGRAM);
    if (!is_executable($program)) {
        return ['done' => false, 'said' => "The program is not there ($program). Install the plugin again."];
    }
    $log = vfio_watch_path(VFIO_WATCH_IMPORT_LOG);
    @mkdir(dirname($log), 0755, true);
    // The shell sees its two words as arguments only. The last line says that it is over.
    $script = 'umask 077; "$1" import host >"$2" 2>&1; echo "ended $?" >>"$2"';
    $command = ['setsid', '/bin/sh', '-c', $script, 'import', $program, $log];
    @file_put_contents($log, '');
    $process = @proc_open(
        ['/bin/sh', '-c', '"$@" </dev/null >/dev/null 2>&1 &', 'begin', ...$command],
        [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
        $pipes,
        '/',
        ['PATH' => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME' => '/root', 'LANG' => 'C.UTF-8']
    );
    if (!is_resource($process)) {
        return ['done' => false, 'said' => 'It could not be started. Is there memory left?'];
    }
    proc_close($process);
    return ['done' => true, 'said' => 'It has begun.', 'running' => true];
}

/** @return array{done: bool, said: string, running: bool} */
function vfio_watch_import_state(): array
{
    $log = vfio_watch_path(VFIO_WATCH_IMPORT_LOG);
    $text = is_file($log) ? (string) file_get_contents($log, false, null, max(0, filesize($log) - 8000)) : '';
    $lines = array_values(array_filter(array_map('trim', explode("\n", $text)), 'strlen'));
    $last = preg_replace('/^vfio-watch: /', '', (string) end($lines));
    if (!is_file($log)) {
        return ['done' => false, 'said' => '', 'running' => false];
    }
    if (preg_match('/^ended (\d+)$/', $last, $parts)) {
        $said = preg_replace('/^vfio-watch: /', '', (string) ($lines[count($lines) - 2] ?? ''));
        return ['done' => $parts[1] === '0', 'said' => $parts[1] === '0' ? 'All of it is in the history.' : $said, 'running' => false];
    }
    // One that was killed says nothing more.
    return ['done' => true, 'said' => $last, 'running' => time() - filemtime($log) < 300];
}
