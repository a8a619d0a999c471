// Fetches what Tools → VFIO Watch shows. The answer is HTML without script, escaped by the program.
(() => {
  const content = document.getElementById("vfio-watch-content");
  const refresh = document.getElementById("vfio-watch-refresh");

  const say = (sentence) => {
    const box = document.createElement("div");
    box.className = "vfio-watch-problem";
    box.setAttribute("role", "alert");
    box.textContent = sentence;
    content.replaceChildren(box);
  };

  const localTimes = () => {
    for (const time of content.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
    }
  };

  const load = async () => {
    refresh.disabled = true;
    content.setAttribute("aria-busy", "true");
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), 20000);
    try {
      const answer = await fetch(content.dataset.source, { signal: end.signal, credentials: "same-origin" });
      if (!answer.ok || answer.redirected)
        say("The web server gave no answer. Log in again and reload the page.");
      else content.innerHTML = await answer.text();
      localTimes();
      if (location.hash === "#vfw-chosen") document.getElementById("vfw-chosen")?.scrollIntoView();
    } catch {
      say("No answer came within 20 seconds. The machine may be very busy; try again.");
    }
    clearTimeout(timer);
    content.removeAttribute("aria-busy");
    refresh.disabled = false;
  };

  // The service needs a moment until it says what it sees.
  vfioWatchActions(content, (what) => setTimeout(load, what === "service" ? 2500 : 500));
  refresh.addEventListener("click", load);
  load();
})();
