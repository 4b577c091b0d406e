const { BASE_URL: baseUrl } = process.env;
const output = { mode: "tags-split", target: "client/api.ts", schemas: "client/model", client: "fetch", baseUrl };
export default { plimsoll: { input: "./openapi.json", output } };
