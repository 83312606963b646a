"use strict";

// The page is rendered by the server; its content is fetched anew and replaced again and again, one request at a time.
const PAUSE_MS = 2000;
const TIMEOUT_MS = 30000;

let refreshing = null;

function tell(text) {
  document.getElementById("notice").textContent = text;
}

// An error page of a proxy, or a login form, has no content of ours: what is shown stays until the backend is back.
async function fetchContent() {
  const response = await fetch("/", { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const content = page.getElementById("content");
  if (!response.ok || !content) throw new Error(`status ${response.status}`);
  return content;
}

async function replaceContent() {
  const notice = document.getElementById("notice");
  try {
    const content = await fetchContent();
    document.getElementById("content").replaceWith(content);
    if ("failure" in notice.dataset) tell("");
    delete notice.dataset.failure;
  } catch (error) {
    tell(`The backend does not answer (${error.message}); trying again.`);
    notice.dataset.failure = "";
  }
}

// Whoever asks while a request is under way gets its answer: a slow backend is never asked twice at a time.
function refresh() {
  refreshing ??= replaceContent().finally(() => { refreshing = null; });
  return refreshing;
}

async function press(button) {
  button.disabled = true;
  try {
    const response = await fetch(button.dataset.post, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
    });
    const answer = await response.json();
    tell(answer.error ?? `Job ${answer.job} is ${answer.state}.`);
  } catch (error) {
    tell(`That did not reach the backend (${error.message}); try again.`);
  }
  button.disabled = false;
  await refresh();
}

document.addEventListener("click", (event) => {
  if (event.target.dataset?.post) press(event.target);
});

async function run() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (!document.hidden) await refresh();
  }
}

run();
