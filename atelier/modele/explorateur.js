// What the three explorers share. A builder takes checked data and its decoded sheets, and returns what to show; texts
// only ever become text nodes or attributes. The picture that stands in the page is hidden once all is built.
const builders = {};
const NBSP = "\u00a0";
const french = (value, decimals = 2) => value.toFixed(decimals).replace(".", ",").replace("-", "−");
const percent = (share) => `${french(100 * share, 0)}${NBSP}%`;

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

// A group of radio buttons: arrow keys go from one to the next. `faces`: what stands in each label, by default its name.
let groups = 0;
const radios = (legend, names, choose, faces = names) => {
  const group = `explorateur-${++groups}`;
  const options = names.map((name, index) => make("label", { class: "choix" },
    make("input", {
      type: "radio", name: group, value: index, checked: index === 0, autocomplete: "off", onchange: () => choose(index),
    }),
    make("span", {}, faces[index])));
  const look = faces === names ? "groupe" : "groupe vignettes";
  return make("fieldset", { class: look }, make("legend", {}, legend), make("div", { class: "options" }, ...options));
};

// A labelled slider, whose value is told in words. It returns its element, and `set`, which moves it without an event.
const slider = (label, { max, value }, words, move) => {
  const told = make("output", {});
  const input = make("input", { type: "range", min: 0, max, step: 1, value, autocomplete: "off" });
  const tell = () => {
    told.textContent = words(input.valueAsNumber);
    input.setAttribute("aria-valuetext", told.textContent);
  };
  input.addEventListener("input", () => { tell(); move(input.valueAsNumber); });
  const set = (position) => { input.value = position; tell(); };
  set(value);
  return { element: make("label", { class: "curseur" }, make("span", {}, label, told), input), set };
};

const select = (label, names, value, choose) => {
  const list = make("select", { autocomplete: "off" }, ...names.map((name, index) => make("option", { value: index }, name)));
  list.value = value;
  list.addEventListener("change", () => choose(Number(list.value)));
  return { element: make("label", { class: "liste" }, label, list), set: (index) => { list.value = index; } };
};

// A canvas of a number of dots, whose text says what it shows.
const screen = (width, height = width) => {
  const canvas = make("canvas", { width, height, role: "img" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return { canvas, context, tell: (text) => canvas.setAttribute("aria-label", text) };
};
const draw = ({ context, canvas }, sheet, side, column, row = 0, smooth = false) => {
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(sheet, column * side, row * side, side, side, 0, 0, canvas.width, canvas.height);
};
const captioned = (canvas, caption, look = "") => make("figure", { class: look }, canvas, make("figcaption", {}, caption));

// The grey levels of a whole sheet, then those of a tile, row by row, from 0 to 255.
const greys = (sheet, left = 0, width = sheet.naturalWidth, height = sheet.naturalHeight) => {
  const { context } = screen(width, height);
  context.drawImage(sheet, left, 0, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data.filter((_, place) => place % 4 === 0);
};
const levels = (sheet, side, column) => greys(sheet, column * side, side, side);
// A map at another side, each dot a weighted mean of its four neighbours, as the notebooks enlarge theirs.
const enlarged = (values, from, to) => {
  const result = new Float32Array(to * to);
  const place = (dot) => {
    const exact = Math.min(Math.max((dot + .5) * from / to - .5, 0), from - 1), low = Math.floor(exact);
    return [low, Math.min(low + 1, from - 1), exact - low];
  };
  for (let y = 0; y < to; y++) {
    const [top, bottom, down] = place(y);
    for (let x = 0; x < to; x++) {
      const [left, right, across] = place(x);
      const mix = (row) => values[row * from + left] * (1 - across) + values[row * from + right] * across;
      result[y * to + x] = mix(top) * (1 - down) + mix(bottom) * down;
    }
  }
  return result;
};
// Colours from dark to light ("inferno"), for a share from 0 to 1.
const HEAT = [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10],
  [249, 201, 50], [252, 255, 164]];
const heat = (share) => {
  const exact = Math.min(Math.max(share, 0), 1) * (HEAT.length - 1), low = Math.min(Math.floor(exact), HEAT.length - 2);
  return HEAT[low].map((level, channel) => level + (exact - low) * (HEAT[low + 1][channel] - level));
};

const start = () => {
  for (const box of document.querySelectorAll("main div.explorateur[data-genre]")) {
    const holder = box.querySelector('script[type="application/json"]');
    if (!holder || !builders[box.dataset.genre]) continue;
    const data = JSON.parse(holder.textContent);
    const names = Object.keys(data).filter((name) => typeof data[name] === "string" && data[name].startsWith("data:image/"));
    const decoded = names.map(async (name) => {
      const image = new Image();
      image.src = data[name];
      await image.decode();
      return [name, image];
    });
    Promise.all(decoded).then((sheets) => {
      const form = make("form", { onsubmit: (event) => event.preventDefault() });
      form.append(...builders[box.dataset.genre](data, Object.fromEntries(sheets)));
      box.replaceChildren(form);
      box.classList.add("pret");
      if (box.previousElementSibling?.classList.contains("figure")) box.previousElementSibling.classList.add("fixe");
    }).catch((error) => console.error(error)); // the picture stays
  }
};
