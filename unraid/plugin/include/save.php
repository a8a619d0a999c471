<?php
/*
 * Unraid's update.php runs this (#include) before it writes the settings: with $keys as it has read the file, $_POST as
 * it was sent, $default for the Default button, and $save, which forbids the writing. It writes KEY="value" without
 * looking at the value, so what is posted is brought into a form that is right between double quotes.
 */
if (!isset($keys, $save, $file)) {
    return;
}
require_once __DIR__ . '/settings.php';

(function () use (&$keys, &$save, &$default, $file): void {
    if ($file !== VFIO_WATCH_SETTINGS_FILE) {
        $save = false;
        unset($_POST['#command']);
        return;
    }
    $isDefault = isset($_POST['#default']);
    $stored = vfio_watch_stored();
    $known = vfio_watch_settings();
    $values = $isDefault ? array_fill_keys(array_keys($known), '') : vfio_watch_posted($_POST, $stored);
    // Whatever the defaults are, a file without a line means them.
    $default = [];
    foreach (array_keys($_POST) as $name) {
        if ($name === '' || $name[0] !== '#') {
            unset($_POST[$name]);
        }
    }
    if (!$known) {
        $save = false;
        unset($_POST['#command']);
        echo 'Nothing is saved: settings.json of the plugin cannot be read. Install the plugin again.';
        return;
    }
    ['problems' => $problems] = $isDefault ? ['problems' => []] : vfio_watch_check(vfio_watch_file($values));
    $refused = array_intersect(array_column($problems, 'key'), array_keys(array_filter($values, 'strlen')));
    if ($refused) {
        // The page has asked before; this is for whoever posts without it. The command, which says that the settings
        // are saved, would be run all the same.
        $save = false;
        unset($_POST['#command']);
        $names = implode(',', array_unique($refused));
        echo '<script>search = "?refused=', rawurlencode($names), '";</script>Nothing is saved: ', vfio_watch_html($names);
        return;
    }
    // Lines that nobody knows stay, so that they are reported until somebody corrects them.
    $keys = array_map('vfio_watch_quotable', array_diff_key($stored, $known));
    foreach (array_filter($values, 'strlen') as $name => $value) {
        $_POST[$name] = vfio_watch_quotable($value);
    }
})();
