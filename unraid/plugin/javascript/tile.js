// Keeps the tile on the Dashboard up to date. What it asks for is made from files; both pieces are escaped where they are.
(() => {
  const EVERY = 30_000;
  const refresh = async () => {
    const tile = document.getElementById("vfio-watch-tile");
    const state = document.getElementById("vfio-watch-tile-state");
    if (document.hidden || tile === null || state === null) return;
    try {
      const answer = await fetch(tile.dataset.source, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const told = await answer.json();
      if (state.innerHTML !== told.state) state.innerHTML = told.state;
      if (tile.innerHTML !== told.rows) tile.innerHTML = told.rows;
    } catch {
      // The next round may have an answer.
    }
  };
  setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", refresh);
})();
