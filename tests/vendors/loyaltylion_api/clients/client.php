<?php
// The vendor's PHP client against a server: php client.php MAIN URL TOKEN SECRET
error_reporting(E_ALL & ~E_DEPRECATED);
[, $main, $url, $token, $secret] = $argv;
require $main;
$client = new LoyaltyLion_Client($token, $secret, ['base_uri' => "$url/v2"]);
$order = ['customer_id' => 'php1', 'customer_email' => 'php@example.com', 'merchant_id' => 'p-1',
          'total' => '80.00', 'total_shipping' => '5.00', 'payment_status' => 'not_paid'];
$calls = [
    'signup' => fn() => $client->activities->track('$signup', ['customer_id' => 'php1', 'customer_email' => 'php@example.com']),
    'review' => fn() => $client->activities->track('review', ['customer_id' => 'php1', 'customer_email' => 'php@example.com', 'merchant_id' => 'r1']),
    'approve' => fn() => $client->activities->update('review', 'r1', ['state' => 'approved']),
    'order' => fn() => $client->orders->create($order),
    'payment' => fn() => $client->orders->addPayment('p-1', ['amount' => '30.00']),
    'paid' => fn() => $client->orders->setPaid('p-1'),
    'refund' => fn() => $client->orders->addRefund('p-1', ['amount' => '10.00']),
    'update' => fn() => $client->orders->update('p-1', ['payment_status' => 'paid', 'refund_status' => 'partially_refunded', 'total_refunded' => '10.00', 'total_paid' => '80.00']),
    'refunded' => fn() => $client->orders->setRefunded('p-1'),
    'cancelled' => fn() => $client->orders->setCancelled('p-1'),
];
foreach ($calls as $name => $call) {
    $result = $call();
    echo $name, ': ', $result->success ? 'ok' : "{$result->status} {$result->error}", "\n";
}
$unknown = $client->orders->update('nobody', ['payment_status' => 'paid']);
echo 'unknown order: ', $unknown->status, "\n";
