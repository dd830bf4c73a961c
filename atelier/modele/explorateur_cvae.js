// A class, two directions of its code, and the way from one class to another.
builders.cvae = (data, sheets) => {
  const { classes, cote: side, pas: count, etendue: reach, etapes: between, minimums: low, maximums: high } = data;
  // Images are sums: the mean, then each basis image times its weight (`projet2_cvae/explorer.py`, `unpack`).
  const depth = low.length, mean = levels(sheets.bases, side, 0);
  const basis = low.map((_, k) => Float32Array.from(levels(sheets.bases, side, k + 1), (level) => (level / 127.5 - 1) * data.amplitudes[k]));
  const bytes = greys(sheets.poids);
  const image = (index) => {
    const sum = Float32Array.from(mean);
    for (let k = 0; k < depth; k++) {
      const weight = low[k] + (high[k] - low[k]) * bytes[index * depth + k] / 255;
      for (let dot = 0; dot < sum.length; dot++) sum[dot] += weight * basis[k][dot];
    }
    const shown = new ImageData(side, side);
    sum.forEach((level, dot) => shown.data.set([level, level, level, 255], 4 * dot)); // clamped from 0 to 255
    return shown;
  };
  const squares = classes.length * count * count; // images of the mosaics; those of the ways follow
  const half = (count - 1) / 2;
  const state = { label: 0, across: half, up: half, from: 0, to: 1, step: 0 };
  const deviations = (position) => french((position - half) * reach / half, 1);
  const words = (position) => {
    const plural = Math.abs(position - half) * reach / half >= 2 ? "s" : "";
    return `${position > half ? "+" : ""}${deviations(position)} écart${plural}-type${plural}`;
  };
  const mosaic = screen(count * side), one = screen(side);
  mosaic.canvas.className = "mosaique";
  const place = make("figcaption");
  const show = () => {
    const row = count - 1 - state.up;
    for (let j = 0; j < count * count; j++) {
      const x = (j % count) * side, y = Math.floor(j / count) * side;
      mosaic.context.putImageData(image(state.label * count * count + j), x, y);
    }
    mosaic.context.lineWidth = 3;
    mosaic.context.strokeStyle = "#ffa90e";
    mosaic.context.strokeRect(state.across * side + 1.5, row * side + 1.5, side - 3, side - 3);
    one.context.putImageData(image((state.label * count + row) * count + state.across), 0, 0);
    place.textContent = `${classes[state.label]}, première direction ${deviations(state.across)} ; seconde ${deviations(state.up)}`;
    one.tell(`Image décodée : ${place.textContent}.`);
    mosaic.tell(`Mosaïque de ${count} × ${count} images de la classe « ${classes[state.label]} », la case choisie encadrée.`);
  };
  const choose = radios("Classe", classes, (index) => { state.label = index; show(); });
  const across = slider("Première direction du code", { max: count - 1, value: half }, words, (value) => { state.across = value; show(); });
  const up = slider("Seconde direction du code", { max: count - 1, value: half }, words, (value) => { state.up = value; show(); });
  const pick = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = mosaic.canvas.getBoundingClientRect();
    const at = (value, size) => Math.min(Math.max(Math.floor(count * value / size), 0), count - 1);
    state.across = at(event.clientX - box.left, box.width);
    state.up = count - 1 - at(event.clientY - box.top, box.height);
    across.set(state.across);
    up.set(state.up);
    show();
  };
  for (const kind of ["pointerdown", "pointermove"]) mosaic.canvas.addEventListener(kind, pick);

  // The way between two classes: its ends are the centres of their mosaics.
  const strip = Array.from({ length: between + 2 }, () => screen(side));
  const tile = (target, step) => {
    const { from, to } = state;
    const centre = (label) => (label * count + half) * count + half;
    const [first, second] = from < to ? [from, to] : [to, from];
    const pair = first * classes.length - first * (first + 1) / 2 + second - first - 1;
    const within = squares + pair * between + (from < to ? step : between + 1 - step) - 1;
    const index = step === 0 || from === to ? centre(from) : step === between + 1 ? centre(to) : within;
    target.context.putImageData(image(index), 0, 0);
  };
  const shares = (step) => {
    const share = step / (between + 1);
    return `${percent(1 - share)} ${classes[state.from]}, ${percent(share)} ${classes[state.to]}`;
  };
  const walk = () => {
    strip.forEach((target, step) => {
      tile(target, step);
      target.canvas.classList.toggle("choisie", step === state.step);
      target.tell(`Étape ${step} : ${shares(step)}`);
    });
    steps.set(state.step);
  };
  const steps = slider("Étiquette donnée au décodeur", { max: between + 1, value: 0 }, shares, (value) => { state.step = value; walk(); });
  const from = select("De la classe", classes, 0, (index) => { state.from = index; walk(); });
  const to = select("à la classe", classes, 1, (index) => { state.to = index; walk(); });
  const swap = make("button", { type: "button", onclick: () => {
    [state.from, state.to] = [state.to, state.from];
    from.set(state.from);
    to.set(state.to);
    walk();
  } }, "Échanger");
  strip.forEach(({ canvas }, step) => canvas.addEventListener("click", () => { state.step = step; walk(); }));
  show();
  walk();
  return [
    choose,
    make("div", { class: "cote-a-cote pixels" },
      captioned(mosaic.canvas, "Une case par code : cliquez, ou déplacez les curseurs."), make("figure", {}, one.canvas, place)),
    make("div", { class: "curseurs" }, across.element, up.element),
    make("fieldset", { class: "groupe" }, make("legend", {}, "D'une classe à l'autre, le code restant le même"),
      make("div", { class: "options" }, from.element, to.element, swap), steps.element,
      make("div", { class: "bande pixels" }, ...strip.map(({ canvas }) => canvas))),
    make("p", { class: "note" }, `Pour que la page reste légère, ces images sont des sommes de ${depth} images de base : l'écart avec celles du décodeur est de ${
      french(100 * data.erreur, 1)}${NBSP}% de l'échelle de gris.`),
  ];
};
