"use strict";

// Every page works without this file. It writes times in the reader's zone, asks in a dialog before something is lost,
// loads parts on demand, and keeps parts up to date: these are fetched anew from the server and replaced.
const TIMEOUT_MS = 30000;
const LIVE = { "X-Labelloop-Live": "1" };

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function writeTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const utc = time.textContent;
    time.textContent = zoned.format(new Date(time.dateTime));
    time.title = utc;
  }
}

// A table that is wider than its place can then be moved with the arrow keys in every browser.
function reachScrolled() {
  for (const part of document.querySelectorAll(".scroll, pre")) {
    if (part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight) part.tabIndex = 0;
  }
}

function tell(text, isFailure = false) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = !text;
  notice.toggleAttribute("data-failure", isFailure);
}

async function fetchPage(url, headers = {}) {
  const response = await fetch(url, { headers: { Accept: "text/html", ...headers }, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return { response, page };
}

// What is open or focused in a part must outlast its replacement.
function isInUse(part) {
  return part.querySelector("dialog[open], details[open]") || (part.contains(document.activeElement) && document.activeElement !== part);
}

// An error page of a proxy, or a login form, has no part of ours: what is shown stays until the backend is back.
async function replaceParts() {
  const parts = [...document.querySelectorAll("[data-live]")];
  try {
    const { response, page } = await fetchPage(location.href, LIVE);
    const fresh = [...page.querySelectorAll("#main [data-live]")];
    if (!response.ok || !page.getElementById("main")) throw new Error(`status ${response.status}`);
    if (fresh.length !== parts.length) { // it is over: what the page can do has changed
      const main = page.getElementById("main");
      writeTimes(main);
      document.getElementById("main").replaceWith(main);
    } else {
      parts.forEach((part, place) => {
        if (isInUse(part)) return;
        writeTimes(fresh[place]);
        part.replaceWith(fresh[place]);
      });
    }
    reachScrolled();
    if (document.getElementById("notice").hasAttribute("data-failure")) tell("");
  } catch (error) {
    tell(`The backend does not answer (${error.message}); trying again.`, true);
  }
}

// Whoever asks while a request is under way gets its answer: a slow backend is never asked twice at a time.
let refreshing = null;
function refresh() {
  refreshing ??= replaceParts().finally(() => { refreshing = null; });
  return refreshing;
}

async function poll() {
  for (;;) {
    const waits = [...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live));
    if (!waits.length) return;
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(...waits)));
    if (!document.hidden) await refresh();
  }
}

// Server-sent events say when there is something new. Where no stream is to be had, the page asks by itself.
function follow(url) {
  const source = new EventSource(url);
  source.onmessage = () => { if (!document.hidden) refresh(); };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) refresh().then(poll);
  };
}

async function loadInto(target, link) {
  const words = link.textContent;
  link.setAttribute("aria-busy", "true");
  link.textContent = "Looking…";
  try {
    const { response, page } = await fetchPage(link.href);
    const part = page.querySelector(link.dataset.load);
    if (!part) throw new Error(page.querySelector("main p:nth-of-type(2)")?.textContent ?? `status ${response.status}`);
    target.replaceChildren(...part.childNodes);
    reachScrolled();
  } catch (error) {
    tell(`That did not work: ${error.message}`);
  }
  link.textContent = words;
  link.removeAttribute("aria-busy");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-load]");
  const target = link && document.querySelector(link.dataset.load);
  if (target && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    loadInto(target, link);
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
});

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-asks]")) {
    event.preventDefault();
    event.target.nextElementSibling.showModal();
  } else if (event.target.method === "post" && !event.target.matches("[data-stays]")) {
    for (const button of event.target.querySelectorAll("button")) button.disabled = true; // pressed once is enough
  }
});

// A key presses the button that names it, unless somebody types.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input, textarea, select")) return;
  document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`)?.click();
});

// A form that only asks: as its fields change, its answer is fetched and replaces a part of the page. A slider beside a
// field is of use with scripts alone.
let asking = null;
async function askAgain(form) {
  const url = new URL(form.action);
  url.search = new URLSearchParams(new FormData(form));
  const own = (asking = url.href);
  try {
    const { response, page } = await fetchPage(url);
    if (asking !== own) return; // somebody has moved on
    const fresh = page.querySelector(form.dataset.updates);
    if (!response.ok || !fresh) throw new Error(page.querySelector("main p:nth-of-type(2)")?.textContent ?? `status ${response.status}`);
    writeTimes(fresh);
    document.querySelector(form.dataset.updates).replaceWith(fresh);
    history.replaceState(null, "", url);
    tell("");
  } catch (error) {
    tell(`That did not work: ${error.message}`);
  }
}

function prepareSliders() {
  for (const slider of document.querySelectorAll("input[type=range][data-of]")) slider.hidden = false;
}

let asksSoon = 0;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-updates]");
  if (!form) return;
  const { dataset, name, value } = event.target;
  if (dataset.of) form.elements[dataset.of].value = value;
  else for (const slider of form.querySelectorAll(`input[data-of="${CSS.escape(name)}"]`)) slider.value = value;
  clearTimeout(asksSoon);
  asksSoon = setTimeout(() => { if (form.checkValidity()) askAgain(form); }, 150);
});

// A page that the browser shows again from memory must be usable again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("form[method=post] button")) button.disabled = false;
});

writeTimes(document);
prepareSliders();
reachScrolled();
window.addEventListener("resize", reachScrolled);
const events = document.querySelector("[data-events]");
if (events) follow(events.dataset.events);
else poll();
