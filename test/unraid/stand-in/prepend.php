<?php
/* Stands in for Unraid's auto_prepend_file: nothing is posted without the token, and the token is gone afterwards. */
chdir($_SERVER['DOCUMENT_ROOT']);
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $expected = parse_ini_file('state/var.ini')['csrf_token'];
    if (!hash_equals($expected, (string) ($_POST['csrf_token'] ?? $_SERVER['HTTP_X_CSRF_TOKEN'] ?? ''))) {
        http_response_code(403);
        exit('{"error":"wrong csrf_token"}');
    }
    unset($_POST['csrf_token']);
}
