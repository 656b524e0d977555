// Parses and renders Adaptive Cards with Microsoft's own library, as a client would.
//
// stdin: a JSON list of cards; stdout: a JSON list, one entry a card:
//   events   what parsing and validating had to say: {phase, event, message}
//   text     what a reader sees: one string for each piece of text, in order
//   buttons  {title, url} of each action
//   tags     how often each HTML element stands in the rendering
//   html     the rendering
//
// Markdown is switched on, with links made of bare addresses too: more than any client does, so that a text which
// comes out as it went in does so everywhere.
const { JSDOM } = require("jsdom");

const dom = new JSDOM("<!doctype html><html><body></body></html>", { pretendToBeVisual: true });
// The library takes the names of a browser for granted.
global.window = dom.window;
for (const name of Object.getOwnPropertyNames(dom.window)) {
  if (name === "document" || /^(HTML|Node|Element|Event)/.test(name)) global[name] = dom.window[name];
}
// jsdom lays nothing out and so has no innerText; set, it is text and never markup, as here.
Object.defineProperty(dom.window.HTMLElement.prototype, "innerText", {
  get() {
    return this.textContent;
  },
  set(text) {
    this.textContent = text;
  },
});
const AC = require("adaptivecards/dist/adaptivecards.js");
const markdown = require("markdown-it")({ html: true, linkify: true });

AC.AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdown.render(text);
  result.didProcess = true;
};

function said(context, phase) {
  return Array.from({ length: context.eventCount }, (_, at) => {
    const { event, message } = context.getEventAt(at);
    return { phase, event: AC.ValidationEvent[event] ?? String(event), message };
  });
}

function pieces(node) {
  const found = [];
  const walker = dom.window.document.createTreeWalker(node, dom.window.NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) found.push(walker.currentNode.data);
  return found;
}

function render(json) {
  const card = new AC.AdaptiveCard();
  const parsing = new AC.SerializationContext(AC.Versions.v1_4);
  card.parse(json, parsing);
  const events = said(parsing, "parse");
  const validation = card.validateProperties();
  events.push(
    ...validation.validationEvents.map(({ event, message }) => ({
      phase: "validate",
      event: AC.ValidationEvent[event] ?? String(event),
      message,
    })),
  );
  const element = card.render();
  const buttons = Array.from({ length: card.getActionCount() }, (_, at) => card.getActionAt(at)).map((action) => ({
    title: action.title,
    url: action.url,
  }));
  const tags = {};
  for (const each of element.querySelectorAll("*")) {
    const tag = each.tagName.toLowerCase();
    tags[tag] = (tags[tag] ?? 0) + 1;
  }
  return { events, text: pieces(element), buttons, tags, html: element.outerHTML };
}

let input = "";
process.stdin.setEncoding("utf-8");
process.stdin.on("data", (chunk) => (input += chunk));
process.stdin.on("end", () => process.stdout.write(JSON.stringify(JSON.parse(input).map(render))));
