// A part, its reconstruction and its map, and a threshold that moves contour, counts and the point of the ROC curve.
builders.anomalies = (data, sheets) => {
  const { cote: side, grille: grid, pieces, bonnes: good, defauts: defects, seuil: own, bas: low, haut: high } = data;
  const CONTOUR = "#ff2fd6", TRUTH = "#00c8ff";
  const maps = pieces.map((_, index) => {
    const values = levels(sheets.cartes, grid, index);
    return enlarged(Array.from(values, (level) => low * (high / low) ** (level / 255)), grid, side);
  });
  const truths = pieces.map((_, index) => levels(sheets.verites, side, index).map((level) => level > 127 ? 1 : 0));

  // Steps of the slider: as many thresholds between the lowest and the highest score, the notebook's own among them.
  const STEPS = 160, ends = [Math.min(...good, ...defects, own) * .98, Math.max(...good, ...defects, own) * 1.02];
  const thresholds = Array.from({ length: STEPS + 1 }, (_, step) => ends[0] * (ends[1] / ends[0]) ** (step / STEPS));
  const ownStep = Math.round(STEPS * Math.log(own / ends[0]) / Math.log(ends[1] / ends[0]));
  thresholds[ownStep] = own;
  const state = { piece: 0, step: ownStep };
  const above = (scores, threshold) => scores.filter((score) => score > threshold).length;

  const [image, rebuilt, map] = [screen(2 * side), screen(2 * side), screen(2 * side)];
  const outline = (values, level, colour, dashes) => { // segments between dots on both sides of a level
    const { context } = image, scale = 2, inside = (x, y) => values[y * side + x] > level;
    context.beginPath();
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        if (x + 1 < side && inside(x, y) !== inside(x + 1, y) && (!dashes || y % 4 < 3)) {
          context.moveTo((x + 1) * scale, y * scale);
          context.lineTo((x + 1) * scale, (y + 1) * scale);
        }
        if (y + 1 < side && inside(x, y) !== inside(x, y + 1) && (!dashes || x % 4 < 3)) {
          context.moveTo(x * scale, (y + 1) * scale);
          context.lineTo((x + 1) * scale, (y + 1) * scale);
        }
      }
    }
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.stroke();
  };

  // The ROC curve, and the threshold on it.
  const SIZE = 200, NAMESPACE = "http://www.w3.org/2000/svg";
  const vector = (tag, attributes) => {
    const element = document.createElementNS(NAMESPACE, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const corner = (threshold) => [SIZE * above(good, threshold) / good.length, SIZE * (1 - above(defects, threshold) / defects.length)];
  const cuts = [...new Set([0, ...good, ...defects])].sort((a, b) => b - a);
  const roc = vector("svg", { viewBox: "-42 -8 252 244", role: "img", class: "roc" });
  const dot = vector("circle", { r: 6, class: "point" });
  const text = (content, attributes) => {
    const element = vector("text", attributes);
    element.textContent = content;
    return element;
  };
  roc.append(
    vector("path", { d: `M0 0V${SIZE}H${SIZE}`, class: "axe" }),
    vector("path", { d: `M0 ${SIZE}L${SIZE} 0`, class: "hasard" }),
    vector("path", { d: `M${cuts.map((cut) => corner(cut).join(" ")).join("L")}`, class: "courbe" }),
    text("bonnes pièces rejetées", { x: SIZE / 2, y: SIZE + 30, "text-anchor": "middle" }),
    text("défauts trouvés", { x: -SIZE / 2, y: -20, transform: "rotate(-90)", "text-anchor": "middle" }),
    ...[0, 1].flatMap((share) => [
      text(percent(share), { x: SIZE * share, y: SIZE + 14, "text-anchor": share ? "end" : "start" }),
      text(percent(share), { x: -3, y: SIZE * (1 - share) + (share ? 10 : 0), "text-anchor": "end" }),
    ]).slice(1),
    dot,
  );

  const counts = Object.fromEntries(["bonAccepte", "bonRejete", "defautAccepte", "defautRejete"].map((name) => [name, make("td")]));
  const head = (content, scope) => make("th", { scope }, content);
  const table = make("table", { class: "decisions" }, make("caption", {}, "Ce que le seuil décide"),
    make("thead", {}, make("tr", {}, make("td"), head("acceptées", "col"), head("rejetées", "col"))),
    make("tbody", {},
      make("tr", {}, head("bonnes pièces", "row"), counts.bonAccepte, counts.bonRejete),
      make("tr", {}, head("pièces à défaut", "row"), counts.defautAccepte, counts.defautRejete)));
  const verdict = make("p", { class: "dit", "aria-live": "polite" });

  const show = () => {
    const threshold = thresholds[state.step], piece = pieces[state.piece];
    draw(image, sheets.images, side, state.piece, 0, true);
    draw(rebuilt, sheets.reconstructions, side, state.piece, 0, true);
    const dots = new ImageData(side, side);
    maps[state.piece].forEach((value, place) => {
      const rank = Math.log(value / low) / Math.log(high / low);
      dots.data.set([...heat(rank), 255], 4 * place);
    });
    const small = screen(side);
    small.context.putImageData(dots, 0, 0);
    draw(map, small.canvas, side, 0, 0, true);
    outline(truths[state.piece], .5, TRUTH, false);
    outline(maps[state.piece], threshold, CONTOUR, true);

    const rejectedGood = above(good, threshold), found = above(defects, threshold);
    counts.bonAccepte.textContent = good.length - rejectedGood;
    counts.bonRejete.textContent = rejectedGood;
    counts.defautAccepte.textContent = defects.length - found;
    counts.defautRejete.textContent = found;
    const [x, y] = corner(threshold);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    const shares = `${percent(rejectedGood / good.length)} des bonnes pièces rejetées, ${percent(found / defects.length)} des défauts trouvés`;
    roc.setAttribute("aria-label", `Courbe ROC ; au seuil choisi, ${shares}.`);
    const rejected = piece.score > threshold;
    const right = rejected === piece.defaut ? "à raison" : "à tort";
    verdict.textContent = `Au seuil ${french(threshold)} : ${shares}. Cette pièce (${piece.nom}, score ${french(piece.score)}) est ${
      rejected ? "rejetée" : "acceptée"}, ${right}.`;
    const seen = maps[state.piece].reduce((count, value) => count + (value > threshold), 0) / maps[state.piece].length;
    image.tell(`Pièce ${state.piece + 1}, ${piece.nom} ; la carte dépasse le seuil sur ${percent(seen)} de l'image.`);
    rebuilt.tell(`Reconstruction de la pièce ${state.piece + 1}.`);
    map.tell(`Carte d'anomalie de la pièce ${state.piece + 1}, de sombre (normal) à clair (anormal).`);
  };
  const faces = pieces.map((piece, index) => {
    const face = screen(side);
    draw(face, sheets.images, side, index);
    face.canvas.setAttribute("aria-hidden", "true");
    face.canvas.removeAttribute("role");
    return make("span", { class: "vignette" }, face.canvas, `${index + 1}. ${piece.nom}`);
  });
  const choose = radios("Pièce", pieces, (index) => { state.piece = index; show(); }, faces);
  const words = (step) => `${french(thresholds[step])}${step === ownStep ? " (celui du carnet)" : ""}`;
  const cut = slider("Seuil", { max: STEPS, value: ownStep }, words, (step) => { state.step = step; show(); });
  const back = make("button", { type: "button", onclick: () => { state.step = ownStep; cut.set(ownStep); show(); } },
    "Revenir au seuil du carnet");
  show();
  return [
    choose,
    make("div", { class: "curseurs" }, cut.element, back),
    make("div", { class: "cote-a-cote" },
      captioned(image.canvas, "l'image ; en trait plein, le vrai défaut ; en tirets, la carte au seuil"),
      captioned(rebuilt.canvas, "la reconstruction", "moindre"), captioned(map.canvas, "la carte d'anomalie", "moindre")),
    verdict,
    make("div", { class: "cote-a-cote" }, table, roc),
  ];
};
