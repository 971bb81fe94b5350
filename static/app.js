// Small comforts. Every page works without them.
(() => {
  "use strict";

  // A question before something that is hard to take back: <button data-confirm="Really?">.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
      return;
    }
    // One click is enough. Only after the browser has taken the button's own value into the form.
    if (form.method === "post") {
      setTimeout(() => {
        for (const button of form.querySelectorAll("button")) {
          button.setAttribute("aria-disabled", "true");
          button.addEventListener("click", (click) => click.preventDefault());
        }
      });
    }
  });

  // Back from another site with the back button: the page comes out of memory with its buttons still asleep.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });

  // <button data-copy="text" data-copied="Copied" hidden>: shown only where it can work.
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
    });
  }

  // A menu closes when one looks elsewhere.
  const menus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // After a refused form, start at the summary of what is wrong.
  document.getElementById("error-summary")?.focus();
})();
