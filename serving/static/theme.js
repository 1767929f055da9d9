// Applies the chosen theme before the first paint; the page's own script offers the choice.
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
