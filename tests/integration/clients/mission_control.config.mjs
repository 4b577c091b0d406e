// Clients of the documented backend hand their requests to a function of their own, as its front end does.
const { BASE_URL: baseUrl } = process.env;
const override = { mutator: { path: "./mission_control_transport.ts", name: "send" } };
const output = { mode: "tags-split", target: "client/api.ts", schemas: "client/model", client: "fetch", baseUrl, override };
export default { documented: { input: "./openapi.json", output } };
