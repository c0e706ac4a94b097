// Before the page is drawn: the colours that this visitor chose, else those of the system.
(() => {
  try {
    const chosen = localStorage.getItem("llm-gateway-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* no storage: the system's colours */ }
})();
