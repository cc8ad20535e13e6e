/* The least player that test_browser_checks.py's page needs, whole or with one fault of those that the check must see. */
function smallPlayer(root, fault) {
  const SECONDS = 2;
  const context = (window.soundContext ??= new AudioContext());
  const buffers = [1, 2].map((value) => {
    const buffer = new AudioBuffer({ length: SECONDS * 8000, sampleRate: 8000, numberOfChannels: 2 });
    buffer.getChannelData(0).fill(value / 10);
    return buffer;
  });
  const rows = [...root.querySelectorAll("li")];
  const button = (action, place = root) => place.querySelector(`[data-action=${action}]`);
  let chosen = 0, muted = null, sources = [], startedAt = 0, from = 0, looped = false;

  const player = {
    buffers: () => buffers,
    level: (track) => Number(track === (fault === "deaf" ? 0 : chosen) && track !== muted),
    position: () => (root.dataset.state === "playing" ? (from + context.currentTime - startedAt) % (looped ? SECONDS : 99) : from),
    seek: (seconds) => start(seconds),
  };
  function start(seconds) {
    for (const source of sources) source.stop();
    [startedAt, from] = [context.currentTime, seconds];
    sources = buffers.map((buffer, track) => {
      const source = new AudioBufferSourceNode(context, { buffer, loop: looped });
      source.start(startedAt + (fault === "late" ? track / 10 : 0), from);
      return source;
    });
  }
  function pause() {
    from = player.position();
    for (const source of sources.splice(0)) source.stop();
    root.dataset.state = "paused";
  }
  function show() {
    rows.forEach((row, track) => (row.dataset.audible = String(track === chosen && track !== muted)));
  }
  async function play() {
    if (root.dataset.state === "playing") return fault === "endless" || pause();
    if (fault === "mute button") return;
    if (fault !== "together") document.querySelectorAll("[data-state=playing]").forEach((other) => other.pause());
    await context.resume();
    start(from);
    root.dataset.state = "playing";
    if (fault === "still") player.position = () => 0.5;
  }
  button("play").onclick = play;
  button("loop").onclick = (event) => {
    looped = fault !== "ends" && !looped;
    event.target.setAttribute("aria-pressed", fault === "ends" || looped);
  };
  button("match").onclick = (event) => event.target.setAttribute("aria-pressed", fault !== "match");
  rows.forEach((row, track) => {
    button("solo", row).onclick = () => {
      chosen = track;
      if (fault === "again") start(player.position());
      if (fault === "jump") from += 1;
      show();
    };
    button("mute", row).onclick = () => {
      muted = muted === null && fault !== "mute" ? track : null;
      show();
    };
  });
  Object.assign(root, { player, pause });
}
