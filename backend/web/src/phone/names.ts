/** By which the page and its service worker find each other. */
export const CHANNEL = "pallor";
export const SYNC_TAG = "pallor-send";
