// A button that shows a password, and hides it again before the form leaves.
for (const button of document.querySelectorAll("button[data-reveal]")) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const said = document.getElementById(button.dataset.reveal);
  const words = button.dataset;

  const set = (visible) => {
    field.type = visible ? "text" : "password";
    button.textContent = visible ? words.hide : words.show;
    button.setAttribute("aria-label", visible ? words.hideLabel : words.showLabel);
  };

  button.addEventListener("click", () => {
    const visible = field.type === "password";
    set(visible);
    said.textContent = visible ? words.isVisible : words.isHidden;
  });
  field.form.addEventListener("submit", () => set(false));
  window.addEventListener("pageshow", () => set(false));
  button.hidden = false;
}
