// Messages as Slack's Web API takes them, as a JSON list on standard input -> a JSON list of HTML, on standard output.
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { Message } from "slack-blocks-to-jsx";

const LOGO =
  "data:image/svg+xml;base64," +
  Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"><rect width="36" height="36" rx="8" fill="#2c3e50"/>' +
      '<path d="M11 9v18M25 9v18M11 18h14" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>',
  ).toString("base64");

let text = "";
for await (const chunk of process.stdin) text += chunk;
const drawn = JSON.parse(text).map(({ blocks, at }) =>
  renderToStaticMarkup(createElement(Message, { blocks, logo: LOGO, name: "Hublet", time: new Date(at) })),
);
process.stdout.write(JSON.stringify(drawn));
