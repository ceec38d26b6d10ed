// Copies the text of an element named by data-copy; absent where the browser cannot.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  const said = button.parentElement.querySelector("[aria-live]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
    if (said) said.textContent = button.dataset.copied;
  });
}
