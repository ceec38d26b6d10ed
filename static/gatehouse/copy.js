// Copies the text of an element named by data-copy, or the codes in it; absent where the browser cannot.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  const said = button.parentElement.querySelector("[aria-live]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const codes = [...source.querySelectorAll("code")].map((code) => code.textContent);
    await navigator.clipboard.writeText(codes.join("\n") || source.innerText);
    if (said) said.textContent = button.dataset.copied;
  });
}
