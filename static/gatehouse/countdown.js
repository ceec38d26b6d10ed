// Counts down to an end that the page states in words. Screen readers hear of it every minute at most, and at the end.
for (const box of document.querySelectorAll("[data-countdown]")) {
  const end = new Date(box.dataset.countdown).valueOf();
  const shown = box.querySelector("[data-left]");
  const polite = box.querySelector("[aria-live=polite]");
  const urgent = box.querySelector("[aria-live=assertive]");
  const words = new Intl.NumberFormat(document.documentElement.lang || undefined, { style: "unit", unit: "minute", unitDisplay: "long" });
  const seconds = new Intl.NumberFormat(document.documentElement.lang || undefined, { style: "unit", unit: "second", unitDisplay: "long" });
  let told = Math.ceil((end - Date.now()) / 60000);

  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) {
      clearInterval(timer);
      shown.textContent = box.dataset.over;
      polite.textContent = "";
      urgent.textContent = box.dataset.over;
      for (const waiting of document.querySelectorAll("[data-until-end]")) waiting.hidden = !waiting.hidden;
      return;
    }
    const minutes = Math.ceil(left / 60);
    const text = box.dataset.words.replace("{time}", left < 60 ? seconds.format(left) : words.format(minutes));
    if (shown.textContent !== text) shown.textContent = text;
    if (minutes < told) {
      told = minutes;
      polite.textContent = text;
    }
  };
  const timer = setInterval(tick, 1000);
  tick();
}
