/** Argon2id alone, in a chunk of its own that is loaded when a PIN is first typed. */
export { argon2id } from "hash-wasm";
