<?php
/* Times as Unraid shows them: in the zone of Settings > Date and Time and in the form of Settings > Display Settings. */

/**
 * The owner's forms for a moment and for a day, for strftime as Unraid keeps them; null where they are not known.
 *
 * @return ?array{moment: string, day: string}
 */
function vfio_watch_forms(): ?array
{
    static $forms = null;
    return ($forms ??= vfio_watch_read_forms()) ?: null;
}

function vfio_watch_read_forms(): array
{
    foreach (['/boot/config/plugins/dynamix/dynamix.cfg', '/usr/local/emhttp/plugins/dynamix/default.cfg'] as $file) {
        $file = vfio_watch_path($file);
        $display = is_file($file) ? (@parse_ini_file($file, true, INI_SCANNER_RAW)['display'] ?? []) : [];
        $date = trim($display['date'] ?? '', '"');
        if ($date === '%c') {
            return ['moment' => '%c', 'day' => '%a %e %b %Y'];
        }
        if ($date !== '') {
            $time = trim($display['time'] ?? '', '"');
            return ['moment' => "$date, " . ($time === '' ? '%R' : $time), 'day' => $date];
        }
    }
    return [];
}

/**
 * Puts every moment and day of a text, or of a piece of HTML, into the owner's form: the moments that the program marks or
 * writes as `2026-01-21 12:02 +01:00`, the days that it names in a sentence, and those below its picture. What stands
 * in quotation marks is a name.
 */
function vfio_watch_times(string $text): string
{
    $forms = vfio_watch_forms();
    if ($forms === null) {
        return $text;
    }
    $name = "(?<!\\w)(?:'[^'<\\n]*'|&#39;[^<\\n]*?&#39;)(*SKIP)(*FAIL)";
    $moment = '(?<![\w-])\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})? (?:UTC|[+-]\d{2}:\d{2})(?![\w:])';
    $day = '(?:(?<=\bon )|(?<=\bsince )|(?<=\())\d{4}-\d{2}-\d{2}(?![\w-]|[ T]\d)';
    $label = '(?<=>)(?:\d{4}-)?\d{2}-\d{2}(?: \d{2}:\d{2})?(?=</text>)';
    return preg_replace_callback("~$name|$moment|(?<day>$day)|(?<label>$label)~", function (array $found) use ($forms): string {
        if (($found['label'] ?? '') !== '') {
            return vfio_watch_label($found['label'], $forms['day']);
        }
        $at = strtotime($found[0]);
        $form = ($found['day'] ?? '') === '' ? 'moment' : 'day';
        return $at === false ? $found[0] : vfio_watch_html(vfio_watch_date($forms[$form], $at));
    }, $text) ?? $text;
}

/** A label of the picture has little room: only the order of day and month is the owner's. */
function vfio_watch_label(string $label, string $form): string
{
    $isDayFirst = preg_match('/%[de].*%[mBb]/', $form) === 1;
    return $isDayFirst ? preg_replace(['/^(\d{4})-(\d\d)-(\d\d)/', '/^(\d\d)-(\d\d)(?!-)/'], ['$3-$2-$1', '$2-$1'], $label) : $label;
}

/** As Unraid's own `my_date`, which is not there where only this script runs. */
function vfio_watch_date(string $format, int $at): string
{
    $forms = [
        '%c' => 'D j M Y h:i A', '%A' => 'l', '%a' => 'D', '%Y' => 'Y', '%B' => 'F', '%b' => 'M', '%e' => 'j', '%d' => 'd',
        '%m' => 'm', '%I' => 'h', '%H' => 'H', '%M' => 'i', '%S' => 's', '%p' => 'a', '%R' => 'H:i', '%F' => 'Y-m-d', '%T' => 'H:i:s',
    ];
    return date(strtr($format, $forms), $at);
}
