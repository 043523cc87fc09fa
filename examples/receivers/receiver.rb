# A webhook receiver in Ruby, without gems: ruby examples/receivers/receiver.rb PORT SECRET
# SECRET: `whsec_…` for the signature of Standard Webhooks, else the vendor's, which signs
# x-voucherify-signature (hex) or x-loyaltylion-hmac-sha256 (base64).
require "json"
require "openssl"
require "set"
require "socket"

TOLERANCE_SECONDS = 300
PORT, SECRET = ARGV

def equal?(a, b)
  a.bytesize == b.bytesize && OpenSSL.fixed_length_secure_compare(a, b)
end

def hmac(key, data)
  OpenSSL::HMAC.digest("SHA256", key, data)
end

def genuine?(headers, body)
  unless SECRET.start_with?("whsec_")
    digest = hmac(SECRET, body)
    return equal?(digest.unpack1("H*"), headers.fetch("x-voucherify-signature", "")) ||
           equal?([digest].pack("m0"), headers.fetch("x-loyaltylion-hmac-sha256", ""))
  end
  stamp = headers.fetch("webhook-timestamp", "0")
  return false if (Time.now.to_i - stamp.to_i).abs > TOLERANCE_SECONDS

  signed = "#{headers["webhook-id"]}.#{stamp}.".b + body
  expected = "v1," + [hmac(SECRET.delete_prefix("whsec_").unpack1("m"), signed)].pack("m0")
  headers.fetch("webhook-signature", "").split.any? { |given| equal?(expected, given) }
end

seen = Set.new # a database's unique key, in a real receiver
server = TCPServer.new("127.0.0.1", PORT.to_i)
$stdout.sync = true
puts JSON.generate({ port: server.addr[1] })
loop do
  client = server.accept
  client.gets # POST /… HTTP/1.1
  headers = {}
  while (line = client.gets&.chomp) && !line.empty?
    name, value = line.split(": ", 2)
    headers[name.downcase] = value.to_s
  end
  body = client.read(headers.fetch("content-length", "0").to_i) # the raw bytes
  status = "401 Unauthorized"
  if genuine?(headers, body)
    puts body if seen.add?(headers["webhook-id"]) # here your own work, or a queue for it
    status = "204 No Content"
  end
  client.write("HTTP/1.1 #{status}\r\nconnection: close\r\n\r\n")
  client.close
end
