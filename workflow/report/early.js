// A long table is not laid out before it is cut into pages; without JavaScript it is there whole.
document.documentElement.classList.add("waits");
