// Guess who painted a work: four names, then the network's answer and where it looked.
builders.artistes = (data, sheets) => {
  const { cote: side, grille: grid, oeuvres: works } = data;
  const maps = works.map((_, index) => enlarged(levels(sheets.cartes, grid, index), grid, side));
  const answers = works.map(() => null), state = { work: 0, seen: true };
  const picture = screen(3 * side);
  const title = make("p", { class: "titre" });
  const verdict = make("p", { class: "dit", "aria-live": "polite" });
  const tally = make("p", { class: "dit" });
  const options = make("div", { class: "noms", role: "group", "aria-label": "Qui a peint cette œuvre ?" });
  const look = make("button", { type: "button", "aria-pressed": "true", onclick: () => { state.seen = !state.seen; show(); } },
    "Montrer où le réseau a regardé");

  const cover = () => { // the work in grey, and over it in warm colours where the network saw the artist that it names
    const small = screen(side);
    draw(small, sheets.images, side, state.work);
    const dots = small.context.getImageData(0, 0, side, side);
    maps[state.work].forEach((level, place) => {
      const share = level / 255, warm = heat(.3 + .65 * share);
      const [red, green, blue] = dots.data.subarray(4 * place, 4 * place + 3);
      const grey = .8 * (.3 * red + .59 * green + .11 * blue);
      warm.forEach((value, channel) => { dots.data[4 * place + channel] = grey + .7 * share * (value - grey); });
    });
    small.context.putImageData(dots, 0, 0);
    draw(picture, small.canvas, side, 0, 0, true);
  };
  const told = (work, answer) => {
    const [mine, its] = [answer === work.vrai, work.reseau === work.vrai];
    const sure = `${work.noms[work.reseau]} (${percent(work.probabilites[work.reseau])})`;
    const network = its ? `Le réseau a trouvé aussi : ${sure}` : `Le réseau s'est trompé : il nomme ${sure}`;
    return mine
      ? `Bravo, c'est ${work.noms[work.vrai]}. ${network}.`
      : `Non, c'est ${work.noms[work.vrai]}. ${its ? `Le réseau, lui, l'a reconnu : ${sure}` : network}.`;
  };
  const show = () => {
    const work = works[state.work], answer = answers[state.work], answered = answer !== null;
    title.textContent = `Œuvre ${state.work + 1} sur ${works.length}`;
    draw(picture, sheets.images, side, state.work, 0, true);
    if (answered && state.seen) cover();
    picture.tell(`Œuvre ${state.work + 1} à reconnaître${answered && state.seen ? ", en couleurs chaudes là où le réseau a regardé" : ""}`);
    look.disabled = !answered;
    look.setAttribute("aria-pressed", String(answered && state.seen));
    Array.from(options.children).forEach((button, index) => {
      const share = work.probabilites[index];
      const marks = [index === work.vrai && "✓ le peintre", index === answer && "votre réponse", index === work.reseau && "réponse du réseau"];
      button.firstChild.textContent = work.noms[index];
      button.lastChild.textContent = answered ? [percent(share), ...marks.filter(Boolean)].join(" · ") : "";
      button.style.setProperty("--part", answered ? `${100 * share}%` : "0%");
      button.setAttribute("aria-disabled", String(answered));
      button.classList.toggle("vrai", answered && index === work.vrai);
    });
    verdict.textContent = answered ? told(work, answer) : "Qui a peint cette œuvre ?";
    const done = works.map((_, index) => index).filter((index) => answers[index] !== null);
    const mine = done.filter((index) => answers[index] === works[index].vrai).length;
    const its = done.filter((index) => works[index].reseau === works[index].vrai).length;
    tally.textContent = done.length ? `Sur ${done.length} œuvre${done.length > 1 ? "s" : ""} : vous ${mine}, le réseau ${its}.` : "";
  };
  const answer = (index) => {
    if (answers[state.work] !== null) return;
    answers[state.work] = index;
    show();
  };
  for (let index = 0; index < 4; index++) {
    options.append(make("button", { type: "button", onclick: () => answer(index) }, make("span"), make("small")));
  }
  const turn = (step) => { state.work = (state.work + step + works.length) % works.length; show(); };
  const again = () => { answers.fill(null); state.work = 0; show(); };
  show();
  return [
    title,
    make("div", { class: "cote-a-cote" }, make("figure", {}, picture.canvas), make("div", { class: "reponse" }, options, verdict, look)),
    make("div", { class: "options" },
      make("button", { type: "button", onclick: () => turn(-1) }, "← Œuvre précédente"),
      make("button", { type: "button", onclick: () => turn(1) }, "Œuvre suivante →"),
      make("button", { type: "button", onclick: again }, "Recommencer"), tally),
  ];
};
