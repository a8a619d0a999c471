// Has the program look at the settings before they are saved, and shows what it finds beside the field.
(() => {
  const form = document.getElementById("vfio-watch-settings");
  const list = document.getElementById("vfio-watch-problems");

  const check = async (options) => {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), 15000);
    try {
      const answer = await fetch(form.dataset.check, {
        ...options,
        signal: end.signal,
        credentials: "same-origin",
      });
      return answer.ok ? await answer.json() : { problems: [] };
    } catch {
      // Nobody can look now; the service reports what it does not understand when it reads the file.
      return { problems: [] };
    } finally {
      clearTimeout(timer);
    }
  };

  // How often it was applied: an older answer, late on a busy host, must not wipe out what a newer one has shown.
  let applied = 0;

  const placeOf = (key) => document.getElementById(`vfw-problem-${key}`);
  const show = (problems, withPlace) => {
    for (const place of form.querySelectorAll(".vfw-problem")) place.textContent = "";
    const others = [];
    for (const { key, line, where, message } of problems) {
      const place = key ? placeOf(key) : null;
      if (place) {
        place.textContent = message;
        place.closest("details").open = true;
      }
      if (withPlace)
        others.push(`${where}${line ? `, line ${line}` : ""}${key ? `, ${key}` : ""}: ${message}`);
      else if (!place) others.push(message);
    }
    list.hidden = others.length === 0;
    list.replaceChildren(
      ...others.map((sentence) => {
        const paragraph = document.createElement("p");
        paragraph.textContent = sentence;
        return paragraph;
      }),
    );
  };

  // A browser cannot point at a wrong field in a closed section, and then says nothing at all.
  form.addEventListener("invalid", (event) => (event.target.closest("details").open = true), true);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    applied += 1;
    const body = new FormData(form);
    const buttons = form.querySelectorAll("input[type=submit]");
    for (const button of buttons) button.disabled = true;
    const { problems } = await check({ method: "POST", body });
    for (const button of buttons) button.disabled = false;
    show(problems, false);
    if (problems.length === 0) form.submit();
    else (placeOf(problems[0].key) ?? list).scrollIntoView({ block: "center" });
  });

  document.getElementById("vfio-watch-default").addEventListener("submit", (event) => {
    if (!confirm("Set every setting back to its default? Addresses and tokens are removed, too."))
      event.preventDefault();
  });

  // The service needs a moment until it says that it runs.
  vfioWatchActions(document.getElementById("vfio-watch-settings-page"), (what) => {
    if (what === "service") setTimeout(() => location.reload(), 2500);
  });
  check({}).then(({ problems }) => applied === 0 && show(problems, true));
})();
