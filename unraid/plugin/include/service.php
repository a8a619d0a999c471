<?php
/* Speaks with the service itself, over its control socket: no process is started for a question. */
require_once __DIR__ . '/overview.php';

const VFIO_WATCH_CONTROL = VFIO_WATCH_RUNTIME . '/control';

/**
 * Asks the service, and waits at most so many seconds for its last word. Null where it gives none, or refuses.
 *
 * @param array<string, mixed> $request see src/control/requests.ts; the history is the one that the service keeps
 */
function vfio_watch_ask(array $request, float $patience): ?array
{
    $history = vfio_watch_json(VFIO_WATCH_RUNTIME . '/state.json')['database'] ?? null;
    if (!is_string($history)) {
        return null;
    }
    $until = microtime(true) + $patience;
    $socket = @stream_socket_client('unix://' . vfio_watch_path(VFIO_WATCH_CONTROL), $code, $why, $patience);
    if ($socket === false) {
        return null;
    }
    fwrite($socket, json_encode($request + ['history' => $history], JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
    $said = '';
    while (!str_ends_with($said, "\n") && strlen($said) < VFIO_WATCH_LONGEST_FILE) {
        $readable = [$socket];
        $none = null;
        $left = max(0, $until - microtime(true));
        if (@stream_select($readable, $none, $none, (int) $left, (int) (fmod($left, 1) * 1e6)) !== 1 || feof($socket)) {
            break;
        }
        $said .= (string) fread($socket, 65536);
    }
    fclose($socket);
    $reply = json_decode($said, true);
    return ($reply['kind'] ?? '') === 'done' && is_array($reply['answer'] ?? null) ? $reply['answer'] : null;
}
