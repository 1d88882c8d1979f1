// Small helpers of the admin; every page works without them.
"use strict";

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    const done = () => { copy.textContent = "Copied"; };
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(source.textContent).then(done);
    } else {
      // Plain HTTP in the local network has no clipboard interface.
      window.getSelection().selectAllChildren(source);
      if (document.execCommand("copy")) done();
    }
    return;
  }
  if (event.target.closest("[data-add-element]")) {
    const template = document.getElementById("element-template");
    const total = document.getElementById("id_elements-TOTAL_FORMS");
    const index = Number(total.value);
    const row = document.createElement("div");
    row.innerHTML = template.innerHTML.replaceAll("__prefix__", String(index));
    const added = row.firstElementChild;
    template.before(added);
    total.value = String(index + 1);
    const order = added.querySelector("input[name$='-ORDER']");
    if (order) order.value = String(index + 1);
    added.querySelector("input:not([type=hidden])").focus();
  }
});

document.addEventListener("change", (event) => {
  // Weekdays are asked for only where the limits recur every week.
  const limits = document.querySelector("[data-times]");
  if (limits && event.target.name === "times") limits.dataset.times = event.target.value;
  const form = event.target.closest("form[data-autosubmit]");
  if (form) form.submit();
});

// The page is hidden until the script library has started, so the browser could not do it.
document.addEventListener("alpine:initialized", () => {
  setTimeout(() => {
    const first = document.querySelector("[autofocus]");
    if (first && document.activeElement === document.body) first.focus();
  });
});

// Tabs that do not fit scroll: the open one is in sight.
document.addEventListener("alpine:initialized", () => {
  setTimeout(() => {
    for (const open of document.querySelectorAll(".cs-tabs .active")) {
      open.parentElement.scrollLeft = open.offsetLeft - 24;
    }
  });
});

// A part that refreshes itself says so when it no longer does.
document.addEventListener("htmx:afterRequest", (event) => {
  const live = event.detail.elt;
  if (live.id !== "live") return;
  let notice = document.getElementById("live-outage");
  live.classList.toggle("cs-stale", !event.detail.successful);
  if (event.detail.successful) {
    if (notice) notice.remove();
  } else if (!notice) {
    notice = document.createElement("p");
    notice.id = "live-outage";
    notice.className = "cs-notice";
    notice.setAttribute("role", "status");
    const time = new Date().toLocaleTimeString();
    notice.textContent = `The server has not answered since ${time}: what is shown is from before.`;
    live.before(notice);
  }
});
