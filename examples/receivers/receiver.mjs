// A webhook receiver in Node.js, without packages: node examples/receivers/receiver.mjs PORT SECRET
// SECRET: `whsec_…` for the signature of Standard Webhooks, else the vendor's, which signs
// x-voucherify-signature (hex) or x-loyaltylion-hmac-sha256 (base64).
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE_SECONDS = 300;
const [port, secret] = process.argv.slice(2);

const equal = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
const hmac = (key, data, encoding) => createHmac("sha256", key).update(data).digest(encoding);

function genuine(headers, body) {
  if (!secret.startsWith("whsec_")) {
    return (
      equal(hmac(secret, body, "hex"), headers["x-voucherify-signature"] ?? "") ||
      equal(hmac(secret, body, "base64"), headers["x-loyaltylion-hmac-sha256"] ?? "")
    );
  }
  const stamp = headers["webhook-timestamp"] ?? "0";
  if (!(Math.abs(Date.now() / 1000 - Number(stamp)) <= TOLERANCE_SECONDS)) return false;
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${stamp}.`), body]);
  const expected = "v1," + hmac(key, signed, "base64");
  return (headers["webhook-signature"] ?? "").split(" ").some((given) => equal(expected, given));
}

const seen = new Set(); // a database's unique key, in a real receiver

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks); // the raw bytes: what was parsed and printed may differ
  if (!genuine(request.headers, body)) {
    response.writeHead(401).end();
    return;
  }
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) console.log(body.toString()); // here your own work, or a queue for it
  seen.add(id);
  response.writeHead(204).end();
}).listen(Number(port), "127.0.0.1", function () {
  console.log(JSON.stringify({ port: this.address().port }));
});
