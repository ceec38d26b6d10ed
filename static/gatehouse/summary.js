// After a step that failed, the reader starts at the list of what to mend.
document.querySelector("[data-focus]")?.focus();
