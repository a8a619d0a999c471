<?php
/*
 * Stands in for Unraid's web interface under PHP's own server: splits .page files into header and body, evaluates the
 * body inside a page with a theme, and runs other scripts of the document root.
 */
require __DIR__ . '/prepend.php';
$docroot = $_SERVER['DOCUMENT_ROOT'];
$path = rawurldecode((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
if ($path === '/update.php') {
    require __DIR__ . '/update.php';
    return true;
}
if (str_ends_with($path, '.php')) {
    $script = realpath($docroot . $path);
    if ($script === false || !str_starts_with($script, $docroot)) {
        http_response_code(404);
        return true;
    }
    require $script;
    return true;
}
if (is_file($docroot . $path)) return false;

if ($path === '/probe') {
    /* A page in a frame as wide as a phone; once it has everything, "drive" does something with it and gives a result. */
    $of = htmlspecialchars($_GET['of']);
    $width = (int) $_GET['width'];
    $drive = $_GET['drive'];
    echo <<<HTML
    <!DOCTYPE html><iframe src="$of" style="width:{$width}px;height:3000px;border:0"></iframe><pre id="result"></pre><script>
    const frame = document.querySelector("iframe");
    const until = async (found) => {
      for (;;) {
        const value = found(frame.contentDocument);
        if (value) return value;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const isThere = (page) => page?.querySelector("#displaybox") && page.readyState === "complete" &&
      !page.querySelector('[aria-busy="true"], .vfio-watch-wait') && page;
    const drive = async (page) => { $drive };
    until(isThere).then(drive).then((result) => {
      document.getElementById("result").textContent = JSON.stringify(result);
    });
    </script>
    HTML;
    return true;
}
function autov(string $file): void
{
    echo $file;
}
$site = [];
foreach (glob('plugins/*/*.page') as $entry) {
    [$header, $text] = array_pad(explode("\n---\n", file_get_contents($entry), 2), 2, '');
    $page = @parse_ini_string($header);
    if (!$page) continue;
    $site[basename($entry, '.page')] = $page + ['text' => $text, 'file' => $entry];
}
$page = $site[basename($path)] ?? null;
if ($page === null) {
    http_response_code(404);
    return true;
}
$var = parse_ini_file('state/var.ini');
$theme = preg_replace('/\W/', '', $_GET['theme'] ?? 'white');
$text = preg_replace_callback('/_\((.+?)\)_/m', fn($found) => $found[1], $page['text']);
if (empty($page['Markdown']) || $page['Markdown'] == 'true') {
    // The real one changes such a page thoroughly; nothing here may depend on that.
    $text = "<p>MARKDOWN</p>$text";
}
set_error_handler(function (int $severity, string $message): bool {
    if (!(error_reporting() & $severity)) return true;
    echo '<div class="php-error">', htmlspecialchars($message), '</div>';
    return true;
});
?>
<!DOCTYPE html>
<html lang="en" class="Theme--<?= $theme ?> Theme--width-boxed">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>Tower/<?= basename($path) ?></title>
<?php foreach (['default-fonts', 'default-color-palette', 'default-base', 'default-dynamix', "themes/$theme"] as $sheet): ?>
<link rel="stylesheet" href="/webGui/styles/<?= $sheet ?>.css">
<?php endforeach; ?>
<script>function done() {}</script>
</head>
<body>
<div id="displaybox"><div class="content">
<div class="title"><span class="left"><?= htmlspecialchars($page['Title']) ?></span></div>
<?php eval('?>' . $text); ?>
</div></div>
<iframe id="progressFrame" name="progressFrame"></iframe>
</body>
</html>
