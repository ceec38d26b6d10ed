// Says two minutes before a session ends that it will, and lets its holder stay. Tabs tell each other who stayed.
// Without this script the sign-in page says why somebody was signed out.
const dialog = document.querySelector("dialog[data-ending]");
const shown = dialog.querySelector("[data-shown]");
const polite = dialog.querySelector("[data-polite]");
const urgent = dialog.querySelector("[data-urgent]");
const failed = dialog.querySelector("[data-failed]");
const stay = dialog.querySelector("form[data-stay]");
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel(`session ${dialog.dataset.ending}`) : null;
const language = document.documentElement.lang || undefined;
const number = (unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" });
const [minutes, seconds] = [number("minute"), number("second")];
const warnBefore = Number(dialog.dataset.warnBefore);
const STEP = 30; // seconds between two announcements

let end = Date.now() + Number(dialog.dataset.secondsLeft) * 1000;
let told = Infinity;

function words(left) {
  const time = left >= 60 ? minutes.format(Math.round(left / 60)) : seconds.format(left);
  return shown.dataset.words.replace("{time}", time);
}

/** Ask for this page again, by GET whatever it came from. */
function leave() {
  location.replace(location.pathname + location.search);
}

function begin(newEnd) {
  end = newEnd;
  told = Infinity;
  failed.hidden = true;
  if (dialog.open) dialog.close();
}

function tick() {
  const left = Math.ceil((end - Date.now()) / 1000);
  if (left <= 0) {
    clearInterval(timer);
    leave(); // the server has ended the session, and its sign-in page says why
    return;
  }
  if (left > warnBefore) return;
  if (told === Infinity && !dialog.open) dialog.showModal();
  const text = words(left);
  if (shown.textContent !== text) shown.textContent = text;
  const step = Math.ceil(left / STEP);
  if (step < told) {
    if (told !== Infinity) (step === 1 ? urgent : polite).textContent = text;
    told = step;
  }
}

stay?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch(stay.action, {
      method: "POST",
      body: new FormData(stay),
      headers: { Accept: "application/json" },
      redirect: "manual",
    });
    if (answer.type === "opaqueredirect") return leave();
    if (!answer.ok) throw new Error(String(answer.status));
    const { seconds_left: left } = await answer.json();
    begin(Date.now() + left * 1000);
    tabs?.postMessage(end);
  } catch {
    failed.hidden = false;
  }
});

if (tabs) {
  tabs.onmessage = ({ data }) => {
    if (data > end + 1000) begin(data);
  };
  tabs.postMessage(end); // this page was just asked for, so the others have as long
}
const timer = setInterval(tick, 1000);
tick();
