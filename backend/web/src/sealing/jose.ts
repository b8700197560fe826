/** The little that is used of jose, in a chunk of its own that is loaded when something is first sealed. */
export { CompactEncrypt, base64url, importJWK } from "jose";
