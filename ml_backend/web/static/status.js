"use strict";

// The page is rendered by the server; every few seconds its content is fetched anew and replaced.
const REFRESH_MS = 2000;

async function refresh() {
  try {
    const response = await fetch("/");
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    document.getElementById("content").replaceWith(page.getElementById("content"));
  } catch {
    document.getElementById("notice").textContent = "The backend does not answer; trying again.";
  }
}

document.addEventListener("click", async (event) => {
  const path = event.target.dataset?.post;
  if (!path) return;
  event.target.disabled = true;
  const response = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
  });
  const answer = await response.json();
  document.getElementById("notice").textContent = answer.error ?? `Job ${answer.job} is ${answer.state}.`;
  await refresh();
});

setInterval(refresh, REFRESH_MS);
