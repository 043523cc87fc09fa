// Calls by the generated types, as a shop's developer would write them.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [url = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl: url,
  headers: { authorization: `Bearer ${key}` },
});
const tiers = [
  { id: "base", name: "Base", from: 0 },
  { id: "top", name: "Top", from: 100 },
];

const program = await client.PUT("/api/programs/{program}", {
  params: { path: { program: "ts" } },
  body: { name: "Club", policy: { tiers } },
});
assert.equal(program.data?.policy.tiers[1]?.name, "Top");

const activity = { key: "ts-1", customer: "tom", kind: "earn", points: 120 } as const;
const recorded = await client.POST("/api/programs/{program}/activities", {
  params: { path: { program: "ts" } },
  body: activity,
});
assert(recorded.data !== undefined && "tier" in recorded.data);
assert.equal(recorded.data.tier, "top");

const member = await client.GET("/api/programs/{program}/members/{source_id}", {
  params: { path: { program: "ts", source_id: "tom" } },
});
assert.equal(member.data?.tier?.id, "top");
assert.equal(member.data?.points.balance, 120);

const why = await client.GET("/api/programs/{program}/members/{source_id}/explain", {
  params: { path: { program: "ts", source_id: "tom" } },
});
assert.equal(why.data?.ladder[1]?.criterion.holds, true);

const missing = await client.GET("/api/programs/{program}", {
  params: { path: { program: "nothing" } },
});
assert.equal(missing.error?.code, "not_found");

const endpoint = await client.POST("/api/endpoints", {
  body: { url: "https://example.com/hook", kinds: ["upgraded"] },
});
assert(endpoint.data !== undefined);
assert(endpoint.data.secret?.startsWith("whsec_"));
const listed = await client.GET("/api/endpoints");
assert(listed.data?.endpoints.some((each) => each.id === endpoint.data.id));
const removed = await client.DELETE("/api/endpoints/{endpoint}", {
  params: { path: { endpoint: endpoint.data.id } },
});
assert.equal(removed.response.status, 204);
console.log("called");
