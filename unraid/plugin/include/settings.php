<?php
/* The settings as a form, and back into the file. What may stand where comes from settings.json, made by the program. */
require_once __DIR__ . '/program.php';

const VFIO_WATCH_SETTINGS_FILE = '/boot/config/plugins/vfio-watch/vfio-watch.cfg';

/** Sections with their settings. */
function vfio_watch_sections(): array
{
    return json_decode((string) file_get_contents(__DIR__ . '/../settings.json'), true) ?: [];
}

/** Every setting by its name. */
function vfio_watch_settings(): array
{
    return array_column(array_merge(...array_column(vfio_watch_sections(), 'settings')), null, 'key');
}

/**
 * What stands in the file, by name. Unraid's own reader takes tags and entities out of values, expands ${…} and turns
 * words like yes into numbers, so the file is read here the way the program reads it.
 *
 * @return array<string, string>
 */
function vfio_watch_stored(): array
{
    $file = vfio_watch_path(VFIO_WATCH_SETTINGS_FILE);
    $text = is_file($file) ? (string) file_get_contents($file, false, null, 0, 262144) : '';
    $stored = [];
    foreach (preg_split('/\r\n|\n|\r/', preg_replace('/^\xEF\xBB\xBF/', '', $text)) as $line) {
        if (preg_match('/^\s*([A-Za-z_]\w{0,63})[ \t]*=[ \t]*(?:"((?:[^"\\\\]|\\\\.)*)"|\'([^\']*)\'|([^\s"\'#]+))/', $line, $parts, PREG_UNMATCHED_AS_NULL)) {
            $stored[$parts[1]] = $parts[4] ?? $parts[3] ?? preg_replace('/\\\\(["\\\\$`])/', '$1', $parts[2]);
        }
    }
    return $stored;
}

/** A value as it can stand between double quotes, for the program and for a shell alike. */
function vfio_watch_quotable(string $value): string
{
    return preg_replace('/["\\\\$`]/', '\\\\$0', preg_replace('/[\r\n\0]+/', ' ', $value));
}

/**
 * The values after a form was posted, by name: only known settings, one line each; what was not posted is as it is
 * stored. What equals the default is empty, so that the file says only what is different; a secret that was left empty
 * is what is stored, unless it is to be cleared.
 *
 * @return array<string, string>
 */
function vfio_watch_posted(array $post, array $stored): array
{
    $values = [];
    foreach (vfio_watch_settings() as $key => $setting) {
        // A browser says nothing of boxes that are all unchecked; the form says that it was there as a whole.
        $isGone = $setting['field']['kind'] === 'some-of' && isset($post['#whole']);
        if (!isset($post[$key]) && !$isGone && empty($post['#clear'][$key])) {
            $values[$key] = $stored[$key] ?? '';
            continue;
        }
        $value = $post[$key] ?? '';
        if ($setting['field']['kind'] === 'some-of') {
            $words = array_filter((array) $value, 'is_string');
            $value = implode(',', array_intersect($setting['field']['options'], $words)) ?: 'none';
        }
        $value = is_string($value) ? trim(preg_replace('/[\r\n\0]+/', ' ', $value)) : '';
        $keeps = $setting['secret'] !== 'no' && $value === '' && empty($post['#clear'][$key]);
        if ($keeps) {
            $value = $stored[$key] ?? '';
        }
        $values[$key] = $value === $setting['fallback'] ? '' : $value;
    }
    return $values;
}

/**
 * The settings file with these values, as update.php writes it.
 *
 * @param array<string, string> $values
 */
function vfio_watch_file(array $values): string
{
    $lines = '';
    foreach ($values as $key => $value) {
        if ($value !== '') {
            $lines .= $key . '="' . vfio_watch_quotable($value) . "\"\n";
        }
    }
    return $lines;
}

/**
 * What the program finds wrong: in the settings in force, or in the given file. `unchecked` says why nobody looked.
 *
 * @return array{problems: array<array{line: ?int, key: ?string, message: string}>, unchecked: string}
 */
function vfio_watch_check(?string $file): array
{
    $run = vfio_watch_run($file === null ? ['page', 'check'] : ['page', 'check', '-'], (string) $file);
    $answer = json_decode($run['output'], true);
    return ['problems' => $answer['problems'] ?? [], 'unchecked' => $run['problem']];
}

/** Whether the service runs, by what it writes about itself. */
function vfio_watch_runs(): bool
{
    $file = vfio_watch_path('/run/vfio-watch/state.json');
    $state = is_file($file) ? json_decode((string) file_get_contents($file), true) : null;
    return is_int($state['pid'] ?? null) && is_dir("/proc/{$state['pid']}");
}

/** A button that javascript/actions.js makes work. */
function vfio_watch_action(string $label, string $what, string $value): string
{
    return '<button type="button" class="vfw-action" data-do="' . vfio_watch_html($what) . '" data-value="' . vfio_watch_html($value) . '">' . vfio_watch_html($label) . '</button>';
}

/** One row of the form. */
function vfio_watch_row(array $setting, array $stored): string
{
    $key = $setting['key'];
    $value = $stored[$key] ?? '';
    // What Unraid makes of its `:help` blocks: a click on the label, or on Help, shows it.
    return '<dl><dt><label for="vfw-' . $key . '">' . vfio_watch_html($setting['label']) . ':</label></dt><dd>'
        . vfio_watch_control($setting, $value)
        . '<div class="vfw-problem" id="vfw-problem-' . $key . '" role="alert"></div></dd></dl>'
        . '<blockquote class="inline_help"><p id="vfw-meaning-' . $key . '">' . vfio_watch_html($setting['meaning'])
        . (in_array($setting['field']['kind'], ['hours', 'schedule', 'command'], true) ? ' ' . vfio_watch_html(ucfirst($setting['expects'])) . '.' : '')
        . '</p></blockquote>';
}

function vfio_watch_control(array $setting, string $value): string
{
    ['key' => $key, 'field' => $field, 'fallback' => $fallback] = $setting;
    $common = " id=\"vfw-$key\" aria-describedby=\"vfw-problem-$key vfw-meaning-$key\"";
    $effective = $value === '' ? $fallback : $value;
    switch ($field['kind']) {
        case 'one-of':
            $options = '';
            // A value that the program does not know stays visible, or Apply would change it silently.
            foreach (array_unique([...$field['options'], strtolower($effective)]) as $option) {
                $selected = $option === strtolower($effective) ? ' selected' : '';
                $default = $option === $fallback ? ' (default)' : '';
                $options .= '<option value="' . vfio_watch_html($option) . "\"$selected>" . vfio_watch_html($option) . "$default</option>";
            }
            return "<select name=\"$key\"$common>$options</select>";
        case 'some-of':
            $chosen = array_map('trim', explode(',', strtolower($effective)));
            $boxes = '';
            foreach ($field['options'] as $option) {
                $checked = in_array($option, $chosen, true) ? ' checked' : '';
                $boxes .= "<label class=\"vfw-box\"><input type=\"checkbox\" name=\"{$key}[]\" value=\"$option\"$checked> $option</label>";
            }
            return "<div role=\"group\"$common>$boxes</div>";
        case 'whole':
            $bounds = " min=\"{$field['minimum']}\" max=\"{$field['maximum']}\" step=\"1\"";
            return "<span class=\"vfw-with-unit\"><input type=\"number\" class=\"narrow\" name=\"$key\"$common$bounds inputmode=\"numeric\" placeholder=\"$fallback\" value=\""
                . vfio_watch_html($value) . '"> ' . vfio_watch_html($field['unit']) . '</span>';
        default:
            return $setting['secret'] === 'no'
                ? vfio_watch_text($setting, $value, $common)
                : vfio_watch_secret($setting, $value, $common);
    }
}

/** What a browser can tell is wrong before anybody else looks; the program has the last word. */
const VFIO_WATCH_PATTERNS = [
    'path' => '/.*',
    'hours' => '\s*\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2}\s*',
    'schedule' => '\s*([Nn]ever|(\S+\s+){4}\S+)\s*',
    'command' => '\s*/.*',
];

function vfio_watch_text(array $setting, string $value, string $common): string
{
    ['key' => $key, 'field' => $field, 'fallback' => $fallback, 'expects' => $expects] = $setting;
    $pattern = isset(VFIO_WATCH_PATTERNS[$field['kind']]) ? ' pattern="' . VFIO_WATCH_PATTERNS[$field['kind']] . '"' : '';
    return "<input type=\"text\" name=\"$key\"$common$pattern maxlength=\"1000\" spellcheck=\"false\" autocomplete=\"off\" autocapitalize=\"off\" title=\""
        . vfio_watch_html(ucfirst($expects)) . '" placeholder="' . vfio_watch_html($fallback) . '" value="' . vfio_watch_html($value) . '">';
}

/** A secret never comes back into a page; of an address only its server does. */
function vfio_watch_secret(array $setting, string $value, string $common): string
{
    ['key' => $key, 'secret' => $secret] = $setting;
    $type = $secret === 'whole' ? 'password' : 'text';
    $autocomplete = $secret === 'whole' ? 'new-password' : 'off';
    if ($value === '') {
        $shown = 'not set';
        $clear = '';
    } else {
        $url = $secret === 'whole' ? false : parse_url($value);
        $server = is_array($url) && isset($url['scheme'], $url['host']) ? "{$url['scheme']}://{$url['host']}/…" : '';
        $shown = trim("set $server") . '; leave empty to keep it';
        $clear = "<label class=\"vfw-box\"><input type=\"checkbox\" name=\"#clear[$key]\" value=\"1\"> remove it</label>";
    }
    return "<input type=\"$type\" name=\"$key\"$common maxlength=\"2000\" spellcheck=\"false\" autocomplete=\"$autocomplete\" autocapitalize=\"off\" value=\"\" placeholder=\""
        . vfio_watch_html($shown) . "\">$clear";
}
