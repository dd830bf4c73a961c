(() => {
  // On a phone, the table of contents starts folded and folds again once an entry is chosen.
  const contents = document.querySelector(".sommaire details");
  const narrow = matchMedia("(max-width: 63.99rem)");
  if (contents) {
    contents.open = !narrow.matches;
    narrow.addEventListener("change", () => { contents.open = !narrow.matches; });
    contents.addEventListener("click", (event) => {
      if (narrow.matches && event.target.closest("a")) contents.open = false;
    });
  }
  // A table of class "triable" is sorted by the column whose header is pressed; pressed again, in reverse. Numbers are
  // French ("1 234,5", "−3 %"), a cell that starts with one counts as one, and empty cells stay last.
  const french = new Intl.Collator("fr", { numeric: true });
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim();
    if (/^[-–—]?$/.test(text)) return null;
    const number = parseFloat(text.replace(/\s/g, "").replace("−", "-").replace(",", "."));
    return Number.isNaN(number) ? [1, text] : [0, number];
  };
  for (const head of document.querySelectorAll("table.triable thead tr:last-child > *")) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const body = head.closest("table").tBodies[0];
      const rows = Array.from(body.rows, (row) => [key(row, head.cellIndex), row]);
      const compare = (a, b) => a[0] - b[0] || (a[0] ? french.compare(a[1], b[1]) : a[1] - b[1]);
      const order = ([a], [b]) => a && b ? sign * compare(a, b) : !a - !b;
      body.append(...rows.sort(order).map(([, row]) => row));
    });
  }
  // A figure that the page shows smaller than it is opens at its own size, where its text can be read.
  const loupe = document.createElement("dialog");
  loupe.className = "loupe";
  loupe.setAttribute("aria-label", "Figure agrandie");
  loupe.innerHTML = '<form method="dialog"><button>Fermer</button></form><div class="plein" tabindex="0"></div>';
  document.body.append(loupe);
  const pictures = [];
  for (const picture of document.querySelectorAll("main :is(img, .figure > svg)")) {
    if (picture.closest("a, button, .absente, h1, h2, h3, h4, h5, h6")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "agrandir";
    button.textContent = "Agrandir la figure";
    button.hidden = true;
    const open = () => {
      if (button.hidden) return;
      const copy = picture.cloneNode(true);
      copy.classList.remove("reduite");
      loupe.lastChild.replaceChildren(copy);
      loupe.showModal();
      loupe.lastChild.scrollTo(0, 0);
    };
    button.addEventListener("click", open);
    picture.addEventListener("click", open);
    const last = picture.closest("figure, .figure") ?? picture;
    last === picture ? picture.after(button) : last.append(button);
    pictures.push([picture, button]);
  }
  loupe.addEventListener("close", () => loupe.lastChild.replaceChildren());
  const ownWidth = (picture) => picture.naturalWidth
    ? parseFloat(picture.getAttribute("width")) || picture.naturalWidth
    : picture.width?.baseVal?.unitType === 2 ? picture.viewBox.baseVal.width : picture.width?.baseVal?.value ?? 0;
  // What is wider than the page scrolls in its own box, which the keyboard can reach and which shows that there is more.
  const measure = () => {
    for (const [picture, button] of pictures) {
      picture.style.setProperty("--large", `${ownWidth(picture)}px`);
      button.hidden = picture.getBoundingClientRect().width >= 0.8 * ownWidth(picture);
      picture.classList.toggle("reduite", !button.hidden);
    }
    for (const formula of document.querySelectorAll(".maths")) {
      formula.classList.remove("large");
      const room = formula.closest("p, li, td, th, h1, h2, h3, div").clientWidth;
      formula.classList.toggle("large", room > 0 && formula.getBoundingClientRect().width > room);
    }
    for (const box of document.querySelectorAll(".defile, .formule, .maths, .figure, main pre")) {
      const more = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      box.classList.toggle("deborde", more);
      if (more) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  measure();
  addEventListener("load", measure);
  addEventListener("resize", measure);
  document.getElementById("montrer-le-code")?.addEventListener("change", measure);
  document.addEventListener("toggle", measure, true);
})();
