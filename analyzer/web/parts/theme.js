// SPDX-License-Identifier: MIT
// Dark or light: as the system says, until the reader chooses.

const KEY = "seep-theme", listeners = [];
const system = matchMedia("(prefers-color-scheme: dark)");

// A file opened from disk may have no storage.
function stored(value) {
    try {
        if (value)
            localStorage.setItem(KEY, value);
        return localStorage.getItem(KEY);
    } catch {
        return null;
    }
}

export function isDark() {
    const theme = document.documentElement.dataset.theme;
    return theme ? theme === "dark" : system.matches;
}

export function useTheme(theme = stored()) {
    if (theme === "dark" || theme === "light")
        document.documentElement.dataset.theme = theme;
    listeners.forEach((listener) => listener());
}

export function toggleTheme() {
    const theme = isDark() ? "light" : "dark";
    stored(theme);
    useTheme(theme);
}

// Called when the colours change, for what is not drawn by CSS.
export function onTheme(listener) {
    listeners.push(listener);
}

// A colour of page.css: "--text".
export function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

system.addEventListener("change", () => useTheme());
