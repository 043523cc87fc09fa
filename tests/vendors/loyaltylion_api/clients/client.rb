# The vendor's Ruby gem against a server: ruby -I LIB client.rb URL TOKEN SECRET
require 'loyaltylion'
url, token, secret = ARGV
LoyaltyLion::Client.base_uri "#{url}/v2"
client = LoyaltyLion::Client.new(token: token, secret: secret)
person = { customer_id: 'rb1', customer_email: 'rb@example.com' }
client.activities.create(person.merge(name: '$signup'))
client.activities.create(person.merge(name: 'review', merchant_id: 'r2'))
client.activities.approve('review', 'r2')
client.activities.decline('review', 'r2')
order = person.merge(merchant_id: 'rb-1', total: '80.00', total_shipping: '5.00', payment_status: 'unpaid')
client.orders.create(order)
client.orders.update('rb-1', payment_status: 'paid')
begin
  client.orders.update('nobody', payment_status: 'paid')
rescue LoyaltyLion::ClientError => error
  puts "unknown order: #{error.message}"
end
puts 'ok'
