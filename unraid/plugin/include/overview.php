<?php
/* What the service keeps in files for the Dashboard and the VMs tab. Reads only; no process is started for it. */
require_once __DIR__ . '/program.php';
require_once __DIR__ . '/times.php';

const VFIO_WATCH_RUNTIME = '/run/vfio-watch';
/** Milliseconds; the service writes its state every 15 seconds. */
const VFIO_WATCH_STUCK_AFTER = 90000;
/** Bytes; more than the service writes. */
const VFIO_WATCH_LONGEST_FILE = 2 * 1024 * 1024;

/**
 * The overview that the service keeps, and whether there is a service. `overview` is null where none is needed, because
 * nobody watches, or where the service has not made it yet.
 *
 * @return array{service: 'on'|'off'|'stuck', overview: ?array}
 */
function vfio_watch_overview(): array
{
    $state = vfio_watch_json(VFIO_WATCH_RUNTIME . '/state.json');
    if ($state === null || !vfio_watch_is_alive($state)) {
        return ['service' => 'off', 'overview' => null];
    }
    // By the clock that nobody sets, which is the same in every process.
    $writtenAt = $state['steady']['writtenAt'] ?? null;
    $silent = is_numeric($writtenAt) ? hrtime(true) / 1e6 - $writtenAt : 0;
    return [
        'service' => $silent > VFIO_WATCH_STUCK_AFTER ? 'stuck' : 'on',
        'overview' => vfio_watch_json(VFIO_WATCH_RUNTIME . '/overview.json'),
    ];
}

/** What a file of the host holds as JSON; null where it holds something else, or is not there. */
function vfio_watch_json(string $path): ?array
{
    $text = @file_get_contents(vfio_watch_path($path), false, null, 0, VFIO_WATCH_LONGEST_FILE);
    $value = $text === false ? null : json_decode($text, true);
    return is_array($value) ? $value : null;
}

/** Whether the process that wrote the state still runs, and not another one that has its number now. */
function vfio_watch_is_alive(array $state): bool
{
    $pid = $state['pid'] ?? null;
    if (!is_int($pid) || $pid < 1) {
        return false;
    }
    $text = @file_get_contents("/proc/$pid/stat");
    // The name in the second field may hold anything, brackets too. The 22nd is the start in ticks since boot.
    if ($text === false || !preg_match('/^.*\) (.*)$/s', $text, $found)) {
        return false;
    }
    return !isset($state['processBegan']) || explode(' ', $found[1])[19] === $state['processBegan'];
}

/** A time in milliseconds since 1970 as Unraid shows times: its zone, its form. */
function vfio_watch_time(mixed $at): string
{
    if (!is_numeric($at)) {
        return 'at an unknown time';
    }
    return vfio_watch_date(vfio_watch_forms()['moment'] ?? '%F %R', intdiv((int) $at, 1000));
}

/** A text of the overview, wherever it may be missing. */
function vfio_watch_text(mixed $value): string
{
    return is_string($value) ? $value : '';
}

/** The same where it is a sentence, with its times in the owner's form. */
function vfio_watch_sentence(mixed $value): string
{
    return vfio_watch_times(vfio_watch_text($value));
}
