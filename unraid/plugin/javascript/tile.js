// Keeps the tile on the Dashboard up to date. What it asks for is made from files; all pieces are escaped where they are.
// Where something fails and the tile is not on the first screen, as on a phone, the answer is in Unraid's own banner.
(() => {
  const EVERY = 30_000;
  const { addBannerWarning, removeBannerWarning } = window;
  let banner = { html: "", entry: false };

  /** Who has hidden the tile does not want it, and who has moved it finds it where it is. */
  const isInReach = (tile) => {
    const whole = tile.closest("tbody");
    if (!whole.checkVisibility()) return true;
    const answer = tile.checkVisibility() ? (tile.firstElementChild ?? tile) : whole;
    return answer.getBoundingClientRect().bottom + window.scrollY <= window.innerHeight;
  };

  const tell = () => {
    const tile = document.getElementById("vfio-watch-tile");
    if (tile === null || addBannerWarning === undefined || removeBannerWarning === undefined) return;
    const { banner: html } = tile.dataset;
    if (html === banner.html || (html !== "" && isInReach(tile))) return;
    // False where somebody has dismissed this very one.
    if (banner.entry !== false) removeBannerWarning(banner.entry);
    banner = { html, entry: html === "" ? false : addBannerWarning(html) };
  };

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
      tile.dataset.banner = told.banner;
      tell();
    } catch {
      // The next round may have an answer.
    }
  };

  setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", refresh);
  // Unraid fills the tiles above it only now, and each pushes it further down.
  window.addEventListener("load", () => new ResizeObserver(tell).observe(document.body));
})();
