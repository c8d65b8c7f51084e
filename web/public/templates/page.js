// Keeps an open page true: fetches it again when it has changed, lets ages grow, and says when it can do neither.
(() => {
  "use strict";
  if (!window.EventSource || !window.fetch) return;
  const body = document.body;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  const cut = document.getElementById("cut");
  const words = body.dataset;
  let wanted = words.version;
  let madeAt = Number(words.now);
  let readAt = Date.now();
  let fetching = false;
  let cutTimer = 0;

  const ago = (span) => {
    const minutes = Math.floor(Math.max(0, span) / 60000);
    const hours = Math.floor(minutes / 60);
    if (minutes < 1) return words.agoNow;
    if (hours >= 48) return words.agoDays.replace("{days}", Math.floor(hours / 24));
    const form = hours ? (minutes % 60 ? words.agoHoursMinutes : words.agoHours) : words.agoMinutes;
    return form.replace("{hours}", hours).replace("{minutes}", minutes % 60);
  };
  const age = () => {
    const now = madeAt + (Date.now() - readAt) * Number(words.speed);
    for (const each of live.querySelectorAll("[data-at]")) each.textContent = ago(now - Number(each.dataset.at));
  };
  const show = (page) => {
    const headline = live.querySelector("h1").textContent;
    const open = [...live.querySelectorAll("details")].map((each) => each.open);
    const focused = document.activeElement && document.activeElement.id;
    live.replaceChildren(...page.getElementById("live").childNodes);
    live.querySelectorAll("details").forEach((each, index) => { each.open = Boolean(open[index]); });
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
    body.className = page.body.className;
    document.title = page.title;
    words.version = page.body.dataset.version;
    madeAt = Number(page.body.dataset.now);
    readAt = Date.now();
    const fresh = live.querySelector("h1").textContent;
    if (fresh !== headline) said.textContent = fresh;
  };
  const renew = async () => {
    if (fetching || wanted === words.version) return;
    fetching = true;
    try {
      const answer = await fetch(location.pathname, { cache: "no-cache" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (page.body.dataset.look !== words.look) location.reload();
      else show(page);
    } catch {
      // The line below says that the connection is cut; the next event tries again.
    } finally {
      fetching = false;
      if (wanted !== words.version) setTimeout(renew, 1000);
    }
  };

  const events = new EventSource("/events");
  events.addEventListener("version", (event) => {
    wanted = event.data;
    setTimeout(renew, Math.random() * Number(words.spread)); // many pages are open: they do not all ask at once
  });
  events.addEventListener("open", () => {
    clearTimeout(cutTimer);
    cutTimer = 0;
    cut.hidden = true;
  });
  events.addEventListener("error", () => {
    if (!cutTimer) cutTimer = setTimeout(() => { cut.hidden = false; }, 10000);
  });
  setInterval(age, 5000);
})();
