<?php
/* Calls the program that the pages show. No shell ever sees an argument, and no call takes longer than its limit. */

/** Seconds after which a call is given up; a page that waits longer looks like a dead web interface. */
defined('VFIO_WATCH_PATIENCE') || define('VFIO_WATCH_PATIENCE', 10);
/** Bytes; more than any report has. */
const VFIO_WATCH_LONGEST_OUTPUT = 8 * 1024 * 1024;
const VFIO_WATCH_PROGRAM = '/usr/local/vfio-watch/bin/vfio-watch';

/** A path of the host. Unraid's document root is always the same; where it lies elsewhere, so does the whole host. */
function vfio_watch_path(string $path): string
{
    $docroot = rtrim($_SERVER['DOCUMENT_ROOT'] ?? '', '/');
    $usual = '/usr/local/emhttp';
    return str_ends_with($docroot, $usual) ? substr($docroot, 0, -strlen($usual)) . $path : $path;
}

/**
 * Runs the program with these arguments and gives it the input. `output` is what it printed; `problem` is empty, or a
 * sentence that says why there is none and what to do.
 *
 * @param string[] $arguments
 * @return array{output: string, problem: string}
 */
function vfio_watch_run(array $arguments, string $input = ''): array
{
    ['output' => $output, 'errors' => $errors, 'code' => $code, 'problem' => $problem] = vfio_watch_call(VFIO_WATCH_PROGRAM, $arguments, $input);
    if ($problem !== '') {
        return vfio_watch_failed($problem);
    }
    // 0: done; 3: done, and found something to act on.
    if (($code !== 0 && $code !== 3) || $output === '') {
        $said = trim(substr($errors, 0, 2000));
        return vfio_watch_failed($said !== '' ? $said : "The program ended with code $code and said nothing.");
    }
    return ['output' => $output, 'problem' => ''];
}

/**
 * Runs a program of the plugin, named by its path on the host, to its end or to the end of patience. `problem` is empty,
 * or says why it could not be run.
 *
 * @param string[] $arguments
 * @return array{output: string, errors: string, code: int, problem: string}
 */
function vfio_watch_call(string $path, array $arguments, string $input = ''): array
{
    $program = vfio_watch_path($path);
    if (!is_executable($program)) {
        return vfio_watch_failed("The program is not there ($program). Install the plugin again.") + ['errors' => '', 'code' => 127];
    }
    // Only timeout(1) ends whatever the program has started as well.
    $limit = array_filter(['/usr/bin/timeout', '/bin/timeout'], 'is_executable');
    $command = $limit ? [current($limit), '--kill-after=1', (string) VFIO_WATCH_PATIENCE, $program] : [$program];
    $process = @proc_open(
        array_merge($command, $arguments),
        [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']],
        $pipes,
        '/',
        ['PATH' => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME' => '/root', 'LANG' => 'C.UTF-8']
    );
    if (!is_resource($process)) {
        return vfio_watch_failed("$program could not be started. Is there memory left?") + ['errors' => '', 'code' => 127];
    }
    [$output, $errors, $intime] = vfio_watch_talk($pipes, $input, microtime(true) + VFIO_WATCH_PATIENCE + 2);
    array_map('fclose', array_filter($pipes, 'is_resource'));
    $code = vfio_watch_end($process);
    // 124 and 137 are timeout's own: it ended the program, or had to kill it.
    if (!$intime || $code === 124 || $code === 137) {
        return vfio_watch_failed('The program did not answer within ' . VFIO_WATCH_PATIENCE . ' seconds. Is the machine very busy, or the flash drive failing?') + ['errors' => $errors, 'code' => $code];
    }
    return ['output' => $output, 'errors' => $errors, 'code' => $code, 'problem' => ''];
}

function vfio_watch_failed(string $problem): array
{
    return ['output' => '', 'problem' => $problem];
}

/**
 * Feeds and reads all pipes at once, so that neither side ever waits for the other.
 *
 * @return array{string, string, bool} output, errors, and whether both ended in time
 */
function vfio_watch_talk(array &$pipes, string $input, float $until): array
{
    foreach ($pipes as $pipe) {
        stream_set_blocking($pipe, false);
    }
    $texts = [1 => '', 2 => ''];
    $open = [1 => $pipes[1], 2 => $pipes[2]];
    while ($open) {
        if ($input === '' && is_resource($pipes[0])) {
            fclose($pipes[0]);
        }
        $left = $until - microtime(true);
        if ($left <= 0 || strlen($texts[1]) > VFIO_WATCH_LONGEST_OUTPUT) {
            return [$texts[1], $texts[2], false];
        }
        $readable = $open;
        $writable = $input === '' ? [] : [$pipes[0]];
        $none = null;
        if (@stream_select($readable, $writable, $none, (int) $left, (int) (fmod($left, 1) * 1e6)) === false) {
            return [$texts[1], $texts[2], false];
        }
        foreach ($writable as $pipe) {
            $written = @fwrite($pipe, $input);
            // A program that does not want its input has closed it.
            $input = $written === false ? '' : substr($input, $written);
        }
        foreach ($readable as $number => $pipe) {
            $texts[$number] .= (string) fread($pipe, 65536);
            if (feof($pipe)) {
                unset($open[$number]);
            }
        }
    }
    return [$texts[1], $texts[2], true];
}

/** The exit code; a program that has closed its output and yet does not end is killed. */
function vfio_watch_end($process): int
{
    for ($waits = 0; $waits < 100; $waits++) {
        $status = proc_get_status($process);
        if (!$status['running']) {
            proc_close($process);
            return $status['exitcode'];
        }
        usleep(10000);
    }
    proc_terminate($process, 9);
    proc_close($process);
    return 137;
}

/** Escapes for HTML text and attributes. */
function vfio_watch_html(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}
