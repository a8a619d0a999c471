<?php
/* What Unraid's nginx does: files and scripts are what they are, everything else is a page. */
$path = rawurldecode((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
if ($path !== '/' && is_file($_SERVER['DOCUMENT_ROOT'] . $path)) {
    return false;
}
if (str_contains(basename($path), '.') || str_starts_with($path, '/sub/') || $path === '/graphql') {
    http_response_code(404);
    return true;
}
// The server does not do it for a router.
require __DIR__ . '/prepend.php';
require $_SERVER['DOCUMENT_ROOT'] . '/webGui/template.php';
