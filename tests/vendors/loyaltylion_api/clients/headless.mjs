// The vendor's TypeScript client, bundled, against a server: node headless.mjs BUNDLE URL SITE TOKEN
const [bundle, baseUrl, site, apiKey] = process.argv.slice(2);
const { createHeadlessApiClient } = await import(bundle);
const client = createHeadlessApiClient({ siteId: Number(site), apiKey, channel: "web", baseUrl });

function good({ data, error, response }, what) {
  if (error !== undefined || !response.ok) throw new Error(`${what}: ${response.status} ${JSON.stringify(error)}`);
  return data;
}

const id = "gid://shopify/Customer/5001";
const configuration = good(await client.configuration.getConfiguration(), "configuration");
console.log("tiers:", configuration.tier_configuration.tiers.map((tier) => tier.name).join(", "));
const session = good(await client.customers.initializeSession({ customer: { id, email: "zoe@example.com" } }), "session");
console.log("session:", session.customer.merchant_id, session.customer.state);
good(await client.customers.getCustomer(id), "customer");
const missing = await client.customers.getCustomer("nobody");
console.log("missing:", missing.response.status, missing.error.error.message);
const birthday = await client.customers.setBirthday({ id, birthday: { month: 1, day: 29, year: 1990 } });
console.log("birthday of a guest:", birthday.response.status, birthday.error.error.code);
const rule = configuration.rules.find((each) => each.kind === "custom");
if (rule !== undefined) {
  const done = await client.rules.completeCustom({ rule_id: rule.id, customer_merchant_id: id });
  console.log("rule of a guest:", done.response.status, done.error.error.code);
}
