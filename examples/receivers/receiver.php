<?php
// A webhook receiver in PHP: TIERLINE_SECRET=… php -S 127.0.0.1:9000 examples/receivers/receiver.php
// TIERLINE_SECRET: `whsec_…` for the signature of Standard Webhooks, else the vendor's, which signs
// x-voucherify-signature (hex) or x-loyaltylion-hmac-sha256 (base64).
const TOLERANCE_SECONDS = 300;

function header_of(string $name): string
{
    return $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? '';
}

function genuine(string $body, string $secret): bool
{
    if (!str_starts_with($secret, 'whsec_')) {
        $digest = hash_hmac('sha256', $body, $secret, true);
        return hash_equals(bin2hex($digest), header_of('x-voucherify-signature'))
            || hash_equals(base64_encode($digest), header_of('x-loyaltylion-hmac-sha256'));
    }
    $stamp = header_of('webhook-timestamp');
    if (abs(time() - (int) $stamp) > TOLERANCE_SECONDS) {
        return false;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $signed = header_of('webhook-id') . '.' . $stamp . '.' . $body;
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, true));
    foreach (explode(' ', header_of('webhook-signature')) as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}

$body = file_get_contents('php://input'); // the raw bytes: what was parsed and printed may differ
if (!genuine($body, getenv('TIERLINE_SECRET') ?: '')) {
    http_response_code(401);
    exit;
}
// Here your own work, or a queue for it. The same webhook-id may come again: do it once.
file_put_contents('php://stderr', $body . "\n");
http_response_code(204);
