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
  // What is wider than the page scrolls in its own box, which the keyboard can reach.
  const measure = () => {
    for (const formula of document.querySelectorAll(".maths")) {
      formula.classList.remove("large");
      const room = formula.closest("p, li, td, th, h1, h2, h3, div").clientWidth;
      formula.classList.toggle("large", room > 0 && formula.getBoundingClientRect().width > room);
    }
    for (const box of document.querySelectorAll(".defile, .formule, .maths.large, main pre")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  measure();
  addEventListener("resize", measure);
  document.getElementById("montrer-le-code")?.addEventListener("change", measure);
})();
