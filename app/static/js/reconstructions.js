/** The view of the same name. */
export {};
