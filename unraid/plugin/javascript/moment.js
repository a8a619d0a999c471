// Adds to Unraid's own message about a VM that did not start why it failed and what to do first, and a mark to each VM
// on the VMs tab. Listens to the requests of Unraid's pages, which are the same from 7.1 to 7.3; where the page is not
// what is expected, nothing is added. All texts are set as text.
(() => {
  const { jQuery } = window;
  const own = document.currentScript;
  if (jQuery === undefined || own === null) return;
  const INCLUDE = "/plugins/vfio-watch/include";
  const SETTINGS = "/Settings/vfio-watch-settings";
  const STARTS = new Set(["domain-start", "domain-start-console", "domain-start-consoleRV"]);
  const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
  /** Longer than the server takes (ms). */
  const PATIENCE = 15_000;

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className !== "") element.className = className;
    element.append(...children);
    return element;
  };

  const link = (text, address) => {
    const element = make("a", "", text);
    element.href = address;
    return element;
  };

  const pageOf = (start) => `/Tools/vfio-watch?start=${Number(start)}#vfw-chosen`;

  const addStyles = () => {
    if (document.querySelector("link[data-vfio-watch]") !== null) return;
    const styles = make("link", "");
    Object.assign(styles, { rel: "stylesheet", href: own.dataset.styles });
    styles.dataset.vfioWatch = "";
    document.head.append(styles);
  };

  const ask = async (path) => {
    try {
      const answer = await fetch(`${INCLUDE}/${path}`, {
        credentials: "same-origin",
        signal: AbortSignal.timeout(PATIENCE),
      });
      return answer.ok && !answer.redirected ? await answer.json() : undefined;
    } catch {
      return undefined;
    }
  };

  /** VMs with passed-through devices, as far as the page has been told of them. */
  const watched = new Set();

  // The popup

  const wordsOf = (text) => text.replace(/\s+/g, " ").trim();

  /** The text of Unraid's message, while it shows this error and nothing else. */
  const messageWith = (error) => {
    const dialog = document.querySelector(".sweet-alert.showSweetAlert");
    const text = dialog?.querySelector(":scope > p");
    if (text == null) return undefined;
    const said = [...text.childNodes].filter((node) => !node.classList?.contains("vfio-watch-answer"));
    const shown = said.map((node) => node.textContent).join(" ");
    // Parsed apart from the page: nothing in it is loaded or run.
    const wanted = new DOMParser().parseFromString(error.replace(/<br\s*\/?>/g, " "), "text/html").body;
    return wordsOf(shown) === wordsOf(wanted.textContent) ? text : undefined;
  };

  /** Unraid has put the message in the middle by its height. */
  const centre = (dialog) => {
    if (getComputedStyle(dialog).position !== "fixed" || dialog.style.marginTop === "") return;
    dialog.style.marginTop = `${-Math.round(dialog.offsetHeight / 2)}px`;
  };

  const boxWith = (...children) => {
    const box = make("div", "vfio-watch-answer", make("span", "vfw-by", "VFIO Watch"), ...children);
    box.setAttribute("role", "status");
    return box;
  };

  const answerFor = ({ number, why, remedies, lastGood, changes }) => {
    const [first] = remedies;
    const box = boxWith(make("span", "vfw-why", why));
    if (first !== undefined) box.append(make("b", "vfw-key", "What to do first"), make("span", "", first));
    if (changes.length > 0) {
      const since =
        lastGood === "" ? "Changed since it last started" : `Changed since it last started (${lastGood})`;
      box.append(make("b", "vfw-key", since));
      box.append(make("ul", "", ...changes.map((change) => make("li", "", change))));
    }
    box.append(link(`All about start #${Number(number)}`, pageOf(number)));
    return box;
  };

  /** The message keeps the tabulator to its own buttons, and Enter as well. */
  const giveKeys = (box) => {
    const [more] = box.querySelectorAll("a");
    box.closest(".sweet-alert").addEventListener("keydown", (event) => {
      if (!box.isConnected) return;
      if (event.key === "Tab" && document.activeElement !== more) {
        event.preventDefault();
        event.stopPropagation();
        more.focus();
      } else if (event.key === "Enter" && document.activeElement === more) event.stopPropagation();
    });
  };

  /** Shows the box in Unraid's message, in place of one that stands there. */
  const show = (message, box) => {
    addStyles();
    const old = message.querySelector(".vfio-watch-answer");
    if (old === null) message.append(box);
    else old.replaceWith(box);
    const dialog = message.closest(".sweet-alert");
    dialog.classList.add("vfio-watch-dialog");
    // Once more when its style sheet is there, and until the message makes room for another one.
    new ResizeObserver((_entries, observer) => {
      if (box.isConnected) centre(dialog);
      else observer.disconnect();
      if (dialog.querySelector(".vfio-watch-answer") === null) dialog.classList.remove("vfio-watch-dialog");
    }).observe(message);
  };

  const explain = async (uuid, error, askedAt) => {
    const before = messageWith(error);
    if (before === undefined) return;
    if (watched.has(uuid)) show(before, boxWith(make("span", "", "Looking for the reason …")));
    const ago = Math.ceil(performance.now() - askedAt);
    const told = await ask(`answer.php?vm=${encodeURIComponent(uuid)}&ago=${ago}`);
    // Somebody may have closed it meanwhile, or another message stands there.
    const message = messageWith(error);
    if (message === undefined) return;
    if (told?.state !== "failed") {
      message.querySelector(".vfio-watch-answer")?.remove();
      centre(message.closest(".sweet-alert"));
      return;
    }
    const box = answerFor(told);
    show(message, box);
    giveKeys(box);
  };

  // The marks

  const ICONS = {
    runs: "fa-check-circle green-text",
    "will-start": "fa-check-circle green-text",
    "failed-last-time": "fa-exclamation-circle orange-text",
    "may-fail": "fa-exclamation-circle orange-text",
    "will-not-start": "fa-ban red-text",
    "not-known": "fa-question-circle",
  };

  const tipFor = ({ word, why, todo, start, failedAt, verdict }) => {
    const tip = make("div", "vfio-watch-tip", make("b", "", `VFIO Watch: ${word}`));
    if (verdict === "failed-last-time") tip.append(make("span", "", failedAt));
    if (why !== "") tip.append(make("span", "", why));
    if (todo !== "") tip.append(make("b", "vfw-key", "What to do first"), make("span", "", todo));
    if (start !== null && verdict !== "failed-last-time")
      tip.append(make("span", "vfw-else", `It failed last time, ${failedAt}.`));
    tip.append(link("Open VFIO Watch", start === null ? "/Tools/vfio-watch" : pageOf(start)));
    return tip;
  };

  /** No link may stand in the cell: Unraid takes the text of all of them for the VM's name when it sorts. */
  const markFor = (vm) => {
    // No <i> either: while a VM starts, Unraid makes all of them turn.
    const mark = make("span", "vfio-watch-mark", make("span", `fa fa-fw ${ICONS[vm.verdict]}`));
    mark.setAttribute("role", "button");
    mark.tabIndex = 0;
    const tip = tipFor(vm);
    mark.setAttribute("aria-label", [...tip.children].map(({ textContent }) => textContent).join(". "));
    if (jQuery.fn.tooltipster === undefined) {
      mark.title = mark.getAttribute("aria-label");
      return mark;
    }
    jQuery(mark).tooltipster({
      content: jQuery(tip),
      trigger: "custom",
      triggerOpen: { mouseenter: true, click: true, tap: true },
      triggerClose: { click: true, tap: true, scroll: true, mouseleave: true },
      animation: "grow",
      interactive: true,
      maxWidth: 360,
    });
    mark.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      jQuery(mark).tooltipster("open");
    });
    return mark;
  };

  const sayOff = (list, service) => {
    document.getElementById("vfio-watch-off")?.remove();
    if (service === "on") return;
    const what = service === "off" ? "is off: no VM start is watched." : "does not say anything any more.";
    const line = make(
      "p",
      "",
      `VFIO Watch ${what} `,
      link(service === "off" ? "Start it" : "Restart it", SETTINGS),
    );
    line.id = "vfio-watch-off";
    const table = list.closest("table");
    (table.closest(".TableContainer") ?? table).after(line);
  };

  const mark = async () => {
    const told = await ask("marks.php");
    const list = document.getElementById("kvm_list");
    if (told === undefined || list?.closest("table") == null) return;
    addStyles();
    sayOff(list, told.service);
    for (const old of list.querySelectorAll(".vfio-watch-mark")) old.remove();
    watched.clear();
    for (const vm of told.vms) {
      watched.add(vm.uuid);
      if (!UUID.test(vm.uuid) || !Object.hasOwn(ICONS, vm.verdict)) continue;
      const name = document.getElementById(`vm-${vm.uuid}`)?.parentElement?.querySelector(".inner > a");
      if (name != null && list.contains(name)) name.after(markFor(vm));
    }
  };

  // What Unraid's pages ask for

  const starts = new WeakMap();
  const isFor = (settings, file) =>
    String(settings.url).split("?")[0] === `/plugins/dynamix.vm.manager/include/${file}`;
  jQuery(document)
    .on("ajaxSend", (_event, request, settings) => {
      if (!isFor(settings, "VMajax.php") || typeof settings.data !== "string") return;
      const fields = new URLSearchParams(settings.data);
      const uuid = fields.get("uuid") ?? "";
      if (STARTS.has(fields.get("action")) && UUID.test(uuid))
        starts.set(request, { uuid, at: performance.now() });
    })
    .on("ajaxComplete", (_event, request, settings) => {
      if (isFor(settings, "VMMachines.php")) mark();
      const start = starts.get(request);
      const error = request.responseJSON?.error;
      if (start !== undefined && typeof error === "string") explain(start.uuid, error, start.at);
    });
})();
