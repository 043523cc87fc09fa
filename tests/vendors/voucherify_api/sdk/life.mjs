// A program's life by Voucherify's JavaScript SDK, unmodified: `life.mjs URL APP_ID APP_TOKEN`.
// It knows no models, so each step looks at what it needs to go on. Prints the last answer.
import assert from "node:assert/strict";
import sdk from "@voucherify/sdk";

const [apiUrl, applicationId, secretKey] = process.argv.slice(2);
const client = sdk.VoucherifyServerSide({ apiUrl, applicationId, secretKey });

const refused = async (promise, code, key) => {
  const error = await promise.then(() => assert.fail("not refused"), (raised) => raised);
  assert.deepEqual([error.code, error.key], [code, key]);
  assert.match(error.request_id, /^v-/);
};

const campaign = await client.campaigns.create({
  name: "Loyalty Campaign",
  campaign_type: "LOYALTY_PROGRAM",
  type: "AUTO_UPDATE",
  auto_join: true,
  voucher: { type: "LOYALTY_CARD", loyalty_card: { points: 0 }, code_config: { pattern: "L-CARD-#######" } },
});
const again = { name: campaign.name, campaign_type: "LOYALTY_PROGRAM" };
await refused(client.campaigns.create(again), 409, "duplicate_found");
const tiers = await client.loyalties.createTiers(campaign.id, [
  { name: "Silver", points: { from: 0, to: 99 } },
  { name: "Gold", points: { from: 100 } },
]);
assert.deepEqual(tiers.map((tier) => tier.name), ["Silver", "Gold"]);
await client.campaigns.update(campaign.id, {
  loyalty_tiers_expiration: {
    qualification_type: "BALANCE",
    start_date: { type: "IMMEDIATE" },
    expiration_date: { type: "CUSTOM", extend: "P3M", rounding: { type: "MONTH", strategy: "END" } },
  },
  options: { recalculate_tiers: true },
});
assert.equal((await client.campaigns.get(campaign.name)).id, campaign.id);
assert.equal((await client.campaigns.list({ campaign_type: "LOYALTY_PROGRAM" })).total, 1);
assert.equal((await client.loyalties.list()).campaigns[0].id, campaign.id);
assert.equal((await client.loyalties.get(campaign.id)).voucher.code_config.length, 7);
assert.equal((await client.loyalties.listTiers(campaign.id)).total, 2);
assert.equal((await client.loyalties.getTier(campaign.id, tiers[1].id)).points.to, undefined);

const customer = await client.customers.create({ source_id: "source_123", name: "Bob Smith", metadata: { lang: "en" } });
await client.customers.update({ source_id: "source_123", phone: "+1 933 222 3333" });
const card = await client.loyalties.createMember(campaign.id, { customer: { id: customer.id } });
assert.equal((await client.loyalties.getMember(campaign.id, card.code)).id, card.id);
assert.equal((await client.loyalties.getMember(null, card.code)).holder_id, customer.id);
assert.equal((await client.loyalties.listMembers(campaign.id, { customer: "source_123" })).vouchers[0].code, card.code);
for (let n = 0; n < 2; n += 1) {
  const answer = await client.loyalties.addOrRemoveCardBalance(card.code, { points: 120, source_id: "tx1" });
  assert.equal(answer.balance, 120);
}
await client.loyalties.addPoints(campaign.id, card.code, { points: -20 });
await refused(
  client.loyalties.addOrRemoveCardBalance(card.code, { points: -1000 }, campaign.id),
  400,
  "loyalty_card_points_exceeded",
);
const held = await client.loyalties.listMemberLoyaltyTiers(card.code);
assert.equal(held.data[0].name, "Gold");
await client.events.create("cart_abandoned", { customer: { source_id: "source_123" }, metadata: { number: 1 } });
const points = async () => (await client.customers.get("source_123")).loyalty.points;
const [rule] = await client.loyalties.createEarningRule(campaign.id, [
  { event: "order.paid", loyalty: { type: "PROPORTIONAL", calculation_type: "ORDER_AMOUNT", order: { amount: { every: 1000, points: 2 } } } },
]);
assert.equal((await client.loyalties.listEarningRules(campaign.id)).data[0].id, rule.id);
assert.equal((await client.loyalties.disableEarningRule(campaign.id, rule.id)).active, false);
assert.equal((await client.loyalties.enableEarningRule(campaign.id, rule.id)).active, true);
await client.loyalties.updateEarningRule(campaign.id, { id: rule.id, source: { banner: "For orders" } });
const [order, balance] = [await client.orders.create({
  source_id: "o-1", customer: { source_id: "source_123" }, items: [{ product_id: "p", quantity: 2, price: 2500 }],
}), await points()];
assert.equal((await client.orders.update({ id: order.id, status: "PAID" })).status, "PAID");
assert.equal(await points(), balance + 10);
assert.equal((await client.orders.update({ id: order.id, status: "CANCELED" })).status, "CANCELED");
assert.equal((await client.orders.get("o-1")).total_amount, 5000);
assert.equal((await client.orders.list()).orders.length, 1);
await client.loyalties.deleteEarningRule(campaign.id, rule.id);
await refused(client.customers.get("nobody"), 404, "not_found");
const wrong = sdk.VoucherifyServerSide({ apiUrl, applicationId, secretKey: "wrong" });
await refused(wrong.campaigns.list(), 401, "unauthorized");
process.stdout.write(JSON.stringify((await client.customers.get("source_123")).loyalty.campaigns));
