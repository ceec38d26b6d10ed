// Times arrive in UTC; show them in the reader's zone and manner, and how long ago beside them.
const page = document.documentElement.lang || undefined;
const language = navigator.languages.find((one) => one.split("-")[0] === page) ?? page; // en-GB of a page in en
const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const units = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

function distance(at) {
  const seconds = (at - Date.now()) / 1000;
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(seconds < 0 ? Math.ceil(seconds / size) : Math.round(seconds / size), unit);
  }
  return relative.format(0, "minute");
}

for (const time of document.querySelectorAll("time[data-time]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.valueOf())) continue;
  time.title = full.format(at);
  if (time.dataset.time === "clock") {
    time.textContent = clock.format(at);
  } else if (time.dataset.time === "full") {
    time.textContent = full.format(at);
  } else {
    time.textContent = distance(at);
    const beside = document.createElement("span");
    beside.className = "quiet small";
    beside.textContent = ` (${full.format(at)})`;
    time.after(beside);
  }
}
