// Makes the buttons work that ask for something to be done, on both pages, and says beside each what came of it.
window.vfioWatchActions = (root, whenDone) => {
  const ACT = "/plugins/vfio-watch/include/act.php";

  const sayer = (button) => {
    const next = button.nextElementSibling;
    if (next?.classList.contains("vfw-said")) return next;
    const place = document.createElement("span");
    place.className = "vfw-said";
    place.setAttribute("role", "status");
    button.after(place);
    return place;
  };

  const ask = async (options) => {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), 110000);
    try {
      const answer = await fetch(ACT, { ...options, signal: end.signal, credentials: "same-origin" });
      return await answer.json();
    } catch {
      return { done: false, said: "The web server gave no answer. Reload the page and try again." };
    } finally {
      clearTimeout(timer);
    }
  };

  // Tells how far it is until it is over.
  const follow = async (place) => {
    for (;;) {
      const { running, done, said } = await ask({});
      place.textContent = said;
      if (!running) return done;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  };

  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-do]");
    if (!button || button.disabled) return;
    const { do: what, value } = button.dataset;
    const place = sayer(button);
    button.disabled = true;
    place.textContent = what === "test" ? "Sending …" : "…";
    // Unraid's pages have the token in a variable of their own, which its server checks.
    const body = new URLSearchParams({ what, value, csrf_token: root.dataset.token ?? "" });
    let { done, said, running } = await ask({ method: "POST", body });
    place.textContent = said;
    if (running) done = await follow(place);
    button.disabled = false;
    if (done && what !== "test") whenDone(what);
  });
};
