// What happened to points, exports, lists and pages in browsers, by Voucherify's JavaScript SDK,
// unmodified: `points_life.mjs URL KEYS`, the keys as JSON. Prints the names of what was called.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import sdk from "@voucherify/sdk";

const [apiUrl, text, file] = process.argv.slice(2);
const keys = JSON.parse(text);
const client = sdk.VoucherifyServerSide({ apiUrl, applicationId: keys.app_id, secretKey: keys.app_token });
const { asyncActions, campaigns, customers, distributions, loyalties, orders, qualifications, vouchers } = client;
const refused = async (promise, code, key) => {
  const error = await promise.then(() => assert.fail("not refused"), (raised) => raised);
  assert.deepEqual([error.code, error.key], [code, key]);
};

// Programs.
const made = await loyalties.create({ name: "Points", type: "AUTO_UPDATE", voucher: { type: "LOYALTY_CARD", loyalty_card: { points: 0 } } });
assert.equal((await loyalties.update({ id: made.id, metadata: { a: 1 } })).metadata.a, 1);
const [tier] = await loyalties.createTiers(made.id, [{ name: "Silver", points: { from: 10 } }]);
const [rule] = await loyalties.createEarningRule(made.id, [{ event: "visit", loyalty: { type: "FIXED", points: 7 } }]);
assert.equal((await loyalties.getEarningRule(made.id, rule.id)).loyalty.points, 7);
assert.equal((await loyalties.listLoyaltyTierEarningRules(made.id, tier.id)).data.length, 1);
assert.equal((await loyalties.listLoyaltyTierRewards(made.id, tier.id)).total, 0);
assert.equal((await loyalties.listRewardAssignments(made.id)).total, 0);
assert.deepEqual(await campaigns.disable(made.id), {});
await campaigns.enable(made.id);

// People.
writeFileSync(file, "Source_id,Name\nann,Ann\nbob,Bob\n");
await customers.importCSV(file);
await customers.updateInBulk([{ source_id: "ann", metadata: { vip: true } }]);
await customers.updateMetadataInBulk({ source_ids: ["bob"], metadata: { vip: false } });
assert.equal((await customers.list({ limit: 1 })).has_more, true);
let seen = 0;
for await (const customer of customers.scroll({ limit: 1 })) seen += customer.object === "customer";
assert.equal(seen, 2);
const [ann, bob] = [await loyalties.createMember(made.id, { customer: "ann" }), await loyalties.createMember(made.id, { customer: "bob" })];
assert.equal((await vouchers.get(ann.code)).id, ann.id);
await loyalties.addOrRemoveCardBalance(ann.code, { points: 40 });
const moved = await loyalties.transferPoints(made.id, bob.code, [{ code: ann.code, points: 15, source_id: "t-1" }]);
assert.equal(moved.loyalty_card.balance, 15);

// What happened.
const page = await loyalties.listCardTransactions(ann.code, made.id, { limit: 1 });
assert.deepEqual([page.has_more, page.data[0].type], [true, "POINTS_TRANSFER_OUT"]);
assert.equal((await loyalties.listCardTransactions(ann.code, null)).data.length, 2);
assert.equal((await vouchers.get(bob.code)).loyalty_card.points, 15);
assert.equal((await loyalties.getPointsExpiration(made.id, ann.code)).data[0].bucket.total_points, 25);
assert.ok((await loyalties.listMemberActivity(made.id, ann.code)).data.length);
assert.ok((await loyalties.listMemberActivity(null, ann.code)).data.length);
assert.ok((await customers.listActivity("ann", { campaign_id: made.id })).data.length);
assert.deepEqual((await loyalties.listMemberRewards(ann.code)).data, []);
assert.equal((await qualifications.checkEligibility({ customer: { source_id: "ann" } })).redeemables.total, 0);
await orders.import([{ source_id: "old", status: "PAID", amount: 500, customer: { source_id: "ann" } }]);
assert.equal((await orders.get("old")).status, "PAID");

// Exports.
await loyalties.exportCardTransactions(ann.code, made.id, { parameters: { order: "created_at" } });
const files = distributions.exports;
const listed = await files.list();
assert.equal((await files.get(listed.exports[0].id)).status, "DONE");
await files.delete(listed.exports[0].id);

// Pages in browsers, and limits of calls.
const options = { apiUrl, clientApplicationId: keys.client_application_id, clientSecretKey: keys.client_token };
const shop = sdk.VoucherifyClientSide({ ...options, origin: "https://shop.example", trackingId: "ann" });
assert.equal((await shop.track("visit", {})).customer.source_id, "ann");
assert.equal((await customers.get("ann")).loyalty.points, 32);
const other = sdk.VoucherifyClientSide({ ...options, origin: "https://other.example", trackingId: "ann" });
await refused(other.track("visit", {}), 403, "forbidden");
assert.equal(client.apiLimitsHandler.getRateLimit(), 100_000);
assert.ok(client.apiLimitsHandler.getRateLimitRemaining() > 0);

// The end.
await customers.delete("bob");
assert.equal((await customers.deletePermanently("ann")).status, "DONE");
await refused(customers.get("ann"), 404, "not_found");
assert.match((await loyalties.delete(made.id)).async_action_id, /^aa_/);
await refused(asyncActions.get("aa_none"), 404, "not_found");
assert.deepEqual((await asyncActions.list({ limit: 1 })).async_actions, []);
await refused(loyalties.get(made.id), 404, "not_found");
process.stdout.write(JSON.stringify({ seen }));
