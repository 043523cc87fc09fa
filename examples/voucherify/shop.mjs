// A shop's life with Voucherify's JavaScript SDK: a program, a member, an order, a tier, a refund.
//
// `npm install @voucherify/sdk`, then `node shop.mjs`. Running it again changes nothing: orders and
// customers are told whole, by the shop's own ids.
//
// Settings, from the environment:
// TIERLINE_URL  where Tierline is; http://127.0.0.1:8080 if not given
// APP_ID        from `tierline key create --kind voucherify`
// APP_TOKEN     likewise
import sdk from "@voucherify/sdk";

const CLUB = "Shop club";
const { customers, campaigns, loyalties, orders } = sdk.VoucherifyServerSide({
  apiUrl: process.env.TIERLINE_URL ?? "http://127.0.0.1:8080",
  applicationId: process.env.APP_ID,
  secretKey: process.env.APP_TOKEN,
});

// The program's id; it is made where it is not there: a point for each 1.00, two tiers.
const program = async () => {
  try {
    return (await campaigns.get(CLUB)).id;
  } catch (refused) {
    if (refused.key !== "not_found") throw refused;
  }
  const { id } = await campaigns.create({
    name: CLUB,
    campaign_type: "LOYALTY_PROGRAM",
    type: "AUTO_UPDATE",
    auto_join: true,
    voucher: { type: "LOYALTY_CARD", loyalty_card: { points: 0 }, code_config: { pattern: "CLUB-####" } },
  });
  await loyalties.createTiers(id, [
    { name: "Silver", points: { from: 0, to: 99 } },
    { name: "Gold", points: { from: 100 } },
  ]);
  const amount = { every: 100, points: 1 };
  await loyalties.createEarningRule(id, [
    { event: "order.paid", loyalty: { type: "PROPORTIONAL", calculation_type: "ORDER_AMOUNT", order: { amount } } },
  ]);
  return id;
};

// Prints what Anna's card holds, and in which tier she is.
const show = async (campaign, when) => {
  const [card] = (await loyalties.listMembers(campaign, { customer: "anna" })).vouchers;
  const tiers = (await loyalties.listMemberLoyaltyTiers(card.code)).data.map((tier) => tier.name);
  console.log(`${when}: ${card.loyalty_card.balance} points, ${tiers.join(", ") || "no tier"}`);
};

const campaign = await program();
const buyer = { source_id: "anna" };
await customers.create({ ...buyer, name: "Anna" });
await loyalties.createMember(campaign, { customer: buyer });
await show(campaign, "joined");

const items = [{ product_id: "boots", quantity: 1, price: 12_000 }];
await orders.create({ source_id: "order-1", status: "PAID", items, customer: buyer });
await show(campaign, "bought");

await orders.update({ source_id: "order-1", status: "CANCELED" });
await show(campaign, "sent back");
