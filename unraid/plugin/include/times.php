<?php
/* Times as Unraid shows them: in the zone of Settings > Date & Time and in the form of Settings > Display Settings. */

/** The owner's form for a moment, for strftime as Unraid keeps it; empty where it is not known. */
function vfio_watch_time_format(): string
{
    foreach (['/boot/config/plugins/dynamix/dynamix.cfg', '/usr/local/emhttp/plugins/dynamix/default.cfg'] as $file) {
        $file = vfio_watch_path($file);
        $display = is_file($file) ? (@parse_ini_file($file, true, INI_SCANNER_RAW)['display'] ?? []) : [];
        $date = trim($display['date'] ?? '', '"');
        if ($date !== '') {
            $time = trim($display['time'] ?? '', '"');
            return $date === '%c' ? $date : "$date, " . ($time === '' ? '%R' : $time);
        }
    }
    return '';
}

/**
 * Puts every moment of the page into that form: those that the program marks, and those within its sentences, which it
 * writes as `2026-01-21 12:02 +01:00`.
 */
function vfio_watch_times(string $html, string $format): string
{
    if ($format === '') {
        return $html;
    }
    $moment = '\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})? (?:UTC|[+-]\d{2}:\d{2})';
    return preg_replace_callback("/(?<![\\w-])$moment(?![\\w:])/", function (array $found) use ($format): string {
        $at = strtotime($found[0]);
        return $at === false ? $found[0] : vfio_watch_html(vfio_watch_date($format, $at));
    }, $html) ?? $html;
}

/** As Unraid's own `my_date`, which is not there where only this script runs. */
function vfio_watch_date(string $format, int $at): string
{
    $forms = [
        '%c' => 'D j M Y h:i A', '%A' => 'l', '%Y' => 'Y', '%B' => 'F', '%e' => 'j', '%d' => 'd', '%m' => 'm', '%I' => 'h',
        '%H' => 'H', '%M' => 'i', '%S' => 's', '%p' => 'a', '%R' => 'H:i', '%F' => 'Y-m-d', '%T' => 'H:i:s',
    ];
    return date(strtr($format, $forms), $at);
}
