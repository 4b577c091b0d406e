// The interactive page: Swagger UI with a filter that finds operations, not only tags.

const matches = (text, phrase) => (text ?? "").toLowerCase().includes(phrase.toLowerCase());

const isFound = (operation, phrase) =>
  matches(`${operation.get("method")} ${operation.get("path")}`, phrase) ||
  matches(operation.getIn(["operation", "summary"]), phrase) ||
  matches(operation.getIn(["operation", "operationId"]), phrase);

/** Keep the tags whose name has the phrase, and of each other tag the operations that have it. */
const filterOperations = (tags, phrase) =>
  tags
    .map((tag, name) =>
      matches(name, phrase)
        ? tag
        : tag.update("operations", (operations) => operations.filter((operation) => isFound(operation, phrase))),
    )
    .filter((tag) => tag.get("operations").size > 0);

/** Open the tags that the filter left, so that what it found is seen. `true` is a filter without a phrase. */
const openFoundTags = (isShown) => (state, thing, fallback) => {
  const phrase = state.get("filter");
  const isFoundTag = [thing].flat()[0] === "operations-tag" && typeof phrase === "string" && phrase !== "";
  return isShown(thing, fallback || isFoundTag);
};

SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.url,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  filter: true,
  persistAuthorization: true,
  onComplete: () => {
    document.querySelector(".operation-filter-input").placeholder = "Filter by a word of a summary, path, id or tag";
  },
  plugins: [
    { fn: { opsFilter: filterOperations } },
    { statePlugins: { layout: { wrapSelectors: { isShown: openFoundTags } } } },
  ],
});
