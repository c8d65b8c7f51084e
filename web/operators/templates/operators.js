// Keeps the open table true: asks whether it has changed, and exchanges it unless somebody is writing in it.
(() => {
  "use strict";
  const body = document.body;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  let shownAt = Date.now();
  let new_ = Number(body.dataset.new);

  const tick = () => {
    const clock = document.getElementById("clock");
    const now = Number(body.dataset.now) + (Date.now() - shownAt) * Number(body.dataset.speed);
    clock.textContent = new Date(now).toLocaleTimeString("en-GB", { timeZone: body.dataset.zone });
  };
  const isWriting = () => {
    const at = document.activeElement;
    return Boolean(at && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName) && live.contains(at)) || [...live.querySelectorAll("input[name=reason]")].some((each) => each.value);
  };
  const show = (page) => {
    const open = new Set([...live.querySelectorAll("details[open]")].map((each) => each.id));
    const focused = document.activeElement && document.activeElement.id;
    live.replaceChildren(...page.getElementById("live").childNodes);
    for (const id of open) if (document.getElementById(id)) document.getElementById(id).open = true;
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
    Object.assign(body.dataset, page.body.dataset);
    document.title = page.title;
    shownAt = Date.now();
    if (Number(body.dataset.new) > new_) said.textContent = body.dataset.changed;
    new_ = Number(body.dataset.new);
  };
  const look = async () => {
    try {
      const version = await (await fetch("/version", { cache: "no-store" })).text();
      if ((version === body.dataset.version && Date.now() - shownAt < 15000) || isWriting()) return;
      const answer = await fetch(location.pathname, { cache: "no-store" });
      if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The next look tries again; the strip above says how old what is shown is.
    }
  };
  setInterval(tick, 500);
  setInterval(look, 2000);
})();
