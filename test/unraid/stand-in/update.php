<?php
/* Stands in for Unraid's update.php: directives begin with #, values are written as they are, a command's output is shown. */
echo "<html><body class=\"logLine\"><script>var search = '';</script>";
$docroot = $_SERVER['DOCUMENT_ROOT'];
$root = substr($docroot, 0, -strlen('/usr/local/emhttp'));
if (isset($_POST['#file'])) {
    $file = $_POST['#file'];
    if ($file && $file[0] != '/') $file = "/boot/config/plugins/$file";
    $cleanup = isset($_POST['#cleanup']);
    $default = [];
    if (isset($_POST['#default'])) {
        if (isset($_POST['#defaults'])) $default = is_array($_POST['#defaults']) ? $_POST['#defaults'] : [];
        else $default = @parse_ini_file("$docroot/plugins/" . basename(dirname($file)) . '/default.cfg') ?: [];
    }
    $keys = is_file("$root$file") ? (@parse_ini_file("$root$file") ?: []) : [];
    $save = true;
    if (isset($_POST['#include'])) {
        $include = realpath("$docroot/" . $_POST['#include']);
        if ($include !== false && strpos($include, $docroot) === 0) include $include;
        else $save = false;
    }
    if ($save) {
        foreach ($_POST as $key => $value) if ($key[0] != '#') $keys[$key] = $default[$key] ?? $value;
        $text = '';
        foreach ($keys as $key => $value) if (strlen($value) || !$cleanup) $text .= "$key=\"$value\"\n";
        @mkdir(dirname("$root$file"), 0777, true);
        file_put_contents("$root$file.new", $text);
        rename("$root$file.new", "$root$file");
    }
}
if (isset($_POST['#command'])) {
    $command = realpath(strpos($_POST['#command'], $docroot) === 0 ? $_POST['#command'] : $docroot . '/' . $_POST['#command']);
    if ($command === false || strpos($command, "$docroot/") !== 0) exit('refused command');
    $proc = popen(escapeshellcmd($command), 'r');
    while (!feof($proc)) echo htmlspecialchars((string) fgets($proc));
    pclose($proc);
}
