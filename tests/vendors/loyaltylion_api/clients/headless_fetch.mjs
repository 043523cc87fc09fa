// The headless API by openapi-fetch, on which the vendor's TypeScript client is built: it encodes ids
// before openapi-fetch encodes them again. `headless_fetch.mjs URL SITE TOKEN`; prints the customer.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";

const [baseUrl, site, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}`, "X-LoyaltyLion-Channel": "web" };
const client = createClient({ baseUrl: `${baseUrl}/headless/2025-06/${site}`, headers });
const id = "gid://shopify/Customer/5001";
const path = { customer_id: encodeURIComponent(id) };

const good = ({ data, error, response }) => {
  assert.ok(response.ok, `${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data;
};

const configuration = good(await client.GET("/configuration"));
assert.deepEqual(configuration.tier_configuration.tiers.map((tier) => tier.name), ["Bronze", "Silver", "Gold"]);
const body = { customer: { email: "zoë@example.com" } };
const visit = good(await client.POST("/customers/{customer_id}/sessions", { params: { path }, body }));
assert.deepEqual([visit.customer.merchant_id, visit.customer.state], ["5001", "guest"]);

const rule = configuration.rules.find((each) => each.kind === "custom");
const completion = { rule_id: rule.id, customer_merchant_id: id };
const early = await client.POST("/rules/custom/complete", { body: completion });
assert.deepEqual([early.response.status, early.error.error.code], [422, "customer_not_enrolled"]);
assert.equal(good(await client.POST("/customers/{customer_id}/enroll", { params: { path } })).enrolled, true);
assert.equal(good(await client.POST("/rules/custom/complete", { body: completion })).actions.length, 1);

const missing = await client.GET("/customers/{customer_id}", { params: { path: { customer_id: "nobody" } } });
assert.equal(missing.response.status, 404);
assert.match(missing.error.error.message, /nobody/);
const { customer } = good(await client.GET("/customers/{customer_id}", { params: { path } }));
process.stdout.write(JSON.stringify(customer));
